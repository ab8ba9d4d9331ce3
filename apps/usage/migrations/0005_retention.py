"""What dropped months of the log came to."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_rollups")]
    operations = [
        migrations.CreateModel(
            name="FoldedMonth",
            fields=[
                ("pk", models.CompositePrimaryKey("account_id", "month", blank=True, editable=False, primary_key=True, serialize=False)),
                ("account_id", models.BigIntegerField()),
                ("month", models.DateField(help_text="its first day, UTC, by arrival of the requests")),
                ("requests", models.BigIntegerField()),
                ("prompt_tokens", models.BigIntegerField()),
                ("cached_tokens", models.BigIntegerField()),
                ("completion_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("cost", models.BigIntegerField(help_text="nano-USD")),
                ("charged", models.BigIntegerField(help_text="nano-USD")),
                ("latest", models.DateTimeField(help_text="when the last of them was settled")),
            ],
        ),
    ]
