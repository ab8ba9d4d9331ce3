from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("gateway", "0002_hold_storage")]
    operations = [
        migrations.AddField(
            "process",
            "lease_since",
            models.DateTimeField(db_default=Now(), help_text="since when it has renewed its lease without a gap"),
        ),
    ]
