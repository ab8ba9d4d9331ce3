-- What each key used, day by day: folded out of the log in steps, so that a sum over ten million requests reads a few rows.
--
-- A step takes the rows that were settled in [mark, closed) and moves the mark. `closed` is a moment that no settlement can come
-- before any more: earlier than the start of every transaction that may still write to the log. So each row is folded once, however
-- late it came and whatever id it has. What was settled since the mark is not folded yet; readers add it (usage_of_keys).

-- One step of at most `most`. True when there is more to fold. Of two at the same time one does nothing.
CREATE OR REPLACE FUNCTION usage_fold_keys(most interval) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  mark timestamptz;
  closed timestamptz;
  until timestamptz;
BEGIN
  SELECT f.settled_until INTO mark FROM usage_keyfold f FOR UPDATE SKIP LOCKED;
  IF mark IS NULL THEN RETURN false; END IF;
  -- In statements of their own: what ended before the first one is visible to the last one.
  -- A transaction without an id has written nothing, and statements of ours end within a minute. Whoever we may not look at counts
  -- as having begun a minute ago.
  SELECT least(clock_timestamp() - interval '1 second', min(CASE
    WHEN a.query = '<insufficient privilege>' THEN clock_timestamp() - interval '1 minute'
    WHEN a.backend_xid IS NOT NULL OR a.xact_start > clock_timestamp() - interval '1 minute' THEN a.xact_start END))
  INTO closed
  FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid();
  until := least(closed, mark + most);
  IF until <= mark THEN RETURN false; END IF;
  EXECUTE $fold$
    INSERT INTO usage_keyday AS d (api_key_id, day, requests, charged, last_admitted_at)
    SELECT i.api_key_id, (i.settled_at AT TIME ZONE 'UTC')::date, count(*), sum(i.charged), max(i.admitted_at)
    FROM usage_inference i
    WHERE i.settled_at >= $1 AND i.settled_at < $2 AND i.api_key_id IS NOT NULL
    GROUP BY 1, 2
    ON CONFLICT (api_key_id, day) DO UPDATE SET requests = d.requests + excluded.requests,
      charged = d.charged + excluded.charged, last_admitted_at = greatest(d.last_admitted_at, excluded.last_admitted_at)
  $fold$ USING mark, until;  -- EXECUTE plans with these very moments: only the end of the log is read
  UPDATE usage_keyfold SET settled_until = until;
  RETURN until < closed;
END $$;

-- The days on which a key was used, from `since` on, to the last request that has ended. STABLE, as below.
CREATE OR REPLACE FUNCTION usage_days_of_key(key bigint, since date)
RETURNS TABLE (day date, requests bigint, charged bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
BEGIN
  SELECT f.settled_until INTO STRICT mark FROM usage_keyfold f;
  RETURN QUERY EXECUTE $read$
    SELECT u.day, sum(u.requests)::bigint, sum(u.charged)::bigint
    FROM (
      SELECT d.day, d.requests, d.charged FROM usage_keyday d WHERE d.api_key_id = $1 AND d.day >= $3
      UNION ALL
      SELECT (i.settled_at AT TIME ZONE 'UTC')::date, 1, i.charged FROM usage_inference i WHERE i.settled_at >= $2 AND i.api_key_id = $1
    ) u GROUP BY u.day
  $read$ USING key, mark, since;
END $$;

-- What keys used so far and in the current month (UTC), to the last request that has ended; nano-USD. Keys that were never used are
-- left out. STABLE: mark, folded days and the rest of the log are read as of one moment.
CREATE OR REPLACE FUNCTION usage_of_keys(keys bigint[])
RETURNS TABLE (api_key_id bigint, requests bigint, charged bigint, charged_this_month bigint, last_admitted_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
  month_start date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
BEGIN
  SELECT f.settled_until INTO STRICT mark FROM usage_keyfold f;
  RETURN QUERY EXECUTE $read$
    SELECT u.api_key_id, sum(u.requests)::bigint, sum(u.charged)::bigint, coalesce(sum(u.charged) FILTER (WHERE u.day >= $3), 0)::bigint,
      max(u.last_admitted_at)
    FROM (
      SELECT d.api_key_id, d.day, d.requests, d.charged, d.last_admitted_at FROM usage_keyday d WHERE d.api_key_id = ANY ($1)
      UNION ALL
      SELECT i.api_key_id, (i.settled_at AT TIME ZONE 'UTC')::date, 1, i.charged, i.admitted_at FROM usage_inference i
      WHERE i.settled_at >= $2 AND i.api_key_id = ANY ($1)
    ) u GROUP BY u.api_key_id
  $read$ USING keys, mark, month_start;
END $$;
