"""Sessions get a name that may stand on pages. Those that there are end: their data is read in another way from now on."""

from django.db import migrations, models

import apps.core.ids


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_sessions")]
    operations = [
        migrations.RunSQL("DELETE FROM accounts_session", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="session",
            name="handle",
            field=models.UUIDField(
                default=apps.core.ids.uuid7, editable=False, help_text="names the session on pages, opens nothing", unique=True
            ),
        ),
    ]
