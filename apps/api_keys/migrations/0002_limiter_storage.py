"""The limiter's table is written at every request and worth nothing after a crash: no WAL, room for updates on the page."""

from django.db import migrations

SQL = """
ALTER TABLE api_keys_limiter SET UNLOGGED;
ALTER TABLE api_keys_limiter SET (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE api_keys_limiter ALTER requests SET STORAGE PLAIN, ALTER tokens SET STORAGE PLAIN;
"""


class Migration(migrations.Migration):
    dependencies = [("api_keys", "0001_initial")]
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
