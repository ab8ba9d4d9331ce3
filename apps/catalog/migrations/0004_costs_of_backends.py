"""What a backend costs us per token, where it is known."""

from django.db import migrations, models

MOST = 10**10  # pico-USD, $10,000 per million tokens
KNOWN = models.Q(
    input_cost_pico__isnull=False,
    output_cost_pico__isnull=False,
    input_cost_pico__gte=0,
    input_cost_pico__lte=MOST,
    output_cost_pico__gte=0,
    output_cost_pico__lte=MOST,
)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_bounds_of_timeouts")]
    operations = [
        migrations.AddField(
            "backend",
            "input_cost_pico",
            models.BigIntegerField(blank=True, help_text="pico-USD per input token; empty: not known", null=True),
        ),
        migrations.AddField(
            "backend",
            "output_cost_pico",
            models.BigIntegerField(blank=True, help_text="pico-USD per output token; empty: not known", null=True),
        ),
        migrations.AddConstraint(
            "backend",
            models.CheckConstraint(
                condition=models.Q(input_cost_pico=None, output_cost_pico=None) | KNOWN, name="catalog_backend_cost_range"
            ),
        ),
    ]
