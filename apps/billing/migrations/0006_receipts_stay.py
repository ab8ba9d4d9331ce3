"""A receipt that was issued is never changed."""

from django.db import migrations

SQL = """
CREATE TRIGGER billing_receipt_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_receipt
  FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_payments")]
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
