"""What keeps the ledger honest whoever writes to it: balanced statements, append-only tables; and storage for hot rows."""

from django.db import migrations

SQL = """
-- Each statement that inserts postings leaves every transaction it touches at zero.
CREATE FUNCTION billing_postings_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  unbalanced bigint;
BEGIN
  SELECT transaction_id INTO unbalanced FROM inserted GROUP BY transaction_id HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the postings of ledger transaction % do not sum to zero', unbalanced USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER billing_postings_balance AFTER INSERT ON billing_posting
  REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION billing_postings_balance();

CREATE FUNCTION billing_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: correct it with a new transaction', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER billing_posting_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_posting
  FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_ledgertransaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_ledgertransaction
  FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();
CREATE TRIGGER billing_writeoff_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_writeoff
  FOR EACH STATEMENT EXECUTE FUNCTION billing_append_only();

-- Pools are updated at every admission and settlement: room on the page keeps those updates out of the indexes (HOT).
ALTER TABLE billing_creditpool SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- Identifiers are handed out per session in blocks: a settlement does not wait for the sequence's page.
ALTER SEQUENCE billing_ledgertransaction_id_seq CACHE 50;
ALTER SEQUENCE billing_posting_id_seq CACHE 100;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
