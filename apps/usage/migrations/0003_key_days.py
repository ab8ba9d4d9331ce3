"""What each key used, day by day, and the indexes by which the log is read for it.

Each costs a settlement well under a microsecond: the one grows at its end, and of completed requests the other has no entry.
"""

from django.db import migrations, models

SQL = """
CREATE INDEX usage_inference_settled ON usage_inference (settled_at);
CREATE INDEX usage_inference_trouble ON usage_inference (api_key_id, id DESC) WHERE status <> 1;
INSERT INTO usage_keyfold (id, settled_until) SELECT 1, coalesce(min(settled_at), clock_timestamp()) FROM usage_inference;
"""


class Migration(migrations.Migration):
    dependencies = [("usage", "0002_inference_log")]
    operations = [
        migrations.CreateModel(
            name="KeyDay",
            fields=[
                ("pk", models.CompositePrimaryKey("api_key_id", "day", blank=True, editable=False, primary_key=True, serialize=False)),
                ("api_key_id", models.BigIntegerField()),
                ("day", models.DateField(help_text="UTC")),
                ("requests", models.BigIntegerField()),
                ("charged", models.BigIntegerField(help_text="nano-USD")),
                ("last_admitted_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="KeyFold",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("settled_until", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(SQL, "DROP INDEX usage_inference_settled; DROP INDEX usage_inference_trouble"),
    ]
