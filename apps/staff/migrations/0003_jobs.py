"""How each periodic task ran last."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("staff", "0002_incidents")]
    operations = [
        migrations.CreateModel(
            "Job",
            [
                ("name", models.CharField(help_text="of the task", max_length=100, primary_key=True, serialize=False)),
                ("since", models.DateTimeField(db_default=Now(), help_text="from when on it is expected to run")),
                ("succeeded_at", models.DateTimeField(null=True, verbose_name="last ran well")),
                ("took_ms", models.PositiveIntegerField(help_text="that run", null=True)),
                ("failed_at", models.DateTimeField(null=True, verbose_name="last failed")),
                ("error", models.CharField(blank=True, db_default="", default="", max_length=500, verbose_name="last error")),
            ],
        ),
    ]
