"""Holds live for seconds: vacuum by count, not by share, so that the table stays a few pages."""

from django.db import migrations

SQL = """
ALTER TABLE gateway_hold SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE gateway_process SET (fillfactor = 50);
"""


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_initial"), ("usage", "0002_inference_log"), ("billing", "0002_ledger_guards"), ("api_keys", "0002_limiter_storage")]
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
