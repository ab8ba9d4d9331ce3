"""An index of the ledger without usage, for showing what is not: built while requests go on."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0008_wallets_and_cards_to_keep")]
    operations = [
        migrations.RunSQL("SET statement_timeout = 0", migrations.RunSQL.noop),  # it goes through the whole ledger
        AddIndexConcurrently(
            "ledgertransaction",
            models.Index(fields=["account", "-created_at", "-id"], name="billing_ledger_but_usage", condition=models.Q(("kind", 1), _negated=True)),
        ),
        migrations.RunSQL("RESET statement_timeout", migrations.RunSQL.noop),
    ]
