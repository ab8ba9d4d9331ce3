-- Drops the inference log of a month (UTC, by arrival) and keeps what it came to, account by account, for ever: check_ledger counts that
-- in the log's place, and the cells stay. Returns whether it did: not before the month is over and everything in it is folded.
-- Settlements of that month's requests wait meanwhile; all others wait only for the moment of the drop.
CREATE OR REPLACE FUNCTION usage_drop_month(month date) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  name text := 'usage_inference_' || to_char(month, 'YYYY_MM');
  mark timestamptz;
  latest timestamptz;
BEGIN
  IF month <> date_trunc('month', month) OR month >= date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') OR to_regclass(name) IS NULL THEN
    RETURN false;
  END IF;
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m FOR UPDATE;  -- nobody folds or refolds meanwhile
  SELECT least(mark, m.settled_until) INTO STRICT mark FROM usage_platformmark m;  -- whose fold comes after (sql/platform.sql)
  EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', name);
  EXECUTE format('SELECT max(settled_at) FROM %I', name) INTO latest;
  IF latest >= mark THEN RETURN false; END IF;
  EXECUTE format($totals$
    INSERT INTO usage_foldedmonth AS f (account_id, month, requests, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost, charged, latest)
    SELECT i.account_id, %L::date, count(*), sum(i.prompt_tokens), sum(i.cached_tokens), sum(i.completion_tokens), sum(i.reasoning_tokens), sum(i.cost),
      sum(i.charged), max(i.settled_at) FROM %I i GROUP BY i.account_id
  $totals$, month, name);
  EXECUTE format('DROP TABLE %I', name);
  RETURN true;
END $$;
