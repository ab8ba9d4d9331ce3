"""A backend's time-outs are between a tenth of a second and an hour."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models

TIMEOUT = [MinValueValidator(0.1), MaxValueValidator(3600)]


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_notify_changes")]
    operations = [
        migrations.AlterField(
            "backend",
            "first_byte_timeout_s",
            models.FloatField(blank=True, help_text="seconds; empty: BACKEND_TIMEOUT_S", null=True, validators=TIMEOUT),
        ),
        migrations.AlterField(
            "backend",
            "idle_timeout_s",
            models.FloatField(
                blank=True, help_text="seconds between two pieces of an answer; empty: BACKEND_TIMEOUT_S", null=True, validators=TIMEOUT
            ),
        ),
    ]
