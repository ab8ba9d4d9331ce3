-- Sums of the inference log: every request is counted in three cells, of a quarter of an hour, an hour and a day (UTC), by account, key,
-- model, status and dialect. Quarters are there because the days of every time zone begin at one. And in two cells, of an hour and a day, by
-- account and status alone (grains -60 and -1440): they are few, however many keys and models an account has, and most questions need no others.
--
-- A step takes the rows that were settled in [mark, closed) and moves the mark. `closed` is a moment that no settlement can come
-- before any more: earlier than the start of every transaction that may still write to the log. So each row is folded once, however
-- late it came and whatever id it has. What was settled since the mark is not folded yet; readers add it (sql/reads.sql).

-- The bucket of a duration: b counts what lies above 2^((b-1)/4) ms and up to 2^(b/4) ms, a fifth wider than the one before. A histogram
-- is an array of bucket + 256 × count; the buckets of the time to the first token come behind those of the whole time, from 128 on.
CREATE OR REPLACE FUNCTION usage_bucket(ms int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN ms <= 1 THEN 0 ELSE ceil(ln(ms::float8) * 5.770780163555854 - 1e-9)::int END
$$;

CREATE OR REPLACE FUNCTION usage_merge(one bigint[], other bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(m.bucket + m.n * 256 ORDER BY m.bucket), '{}')
  FROM (SELECT x & 255 AS bucket, sum(x >> 8)::bigint AS n FROM unnest(one || other) x GROUP BY 1) m
$$;

-- Adds what was settled in [since, until) to the cells: the one statement that says what a cell holds. Returns how many requests.
CREATE OR REPLACE FUNCTION usage_fold_range(since timestamptz, until timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  folded bigint;
BEGIN
  EXECUTE $fold$
    WITH row AS (
      SELECT i.account_id, coalesce(i.api_key_id, 0) AS api_key_id, i.model_id, i.status, i.dialect, date_bin('15 minutes', i.settled_at, '2000-01-01 00:00Z') AS quarter,
        date_bin('1 hour', i.settled_at, '2000-01-01 00:00Z') AS hour, date_bin('1 day', i.settled_at, '2000-01-01 00:00Z') AS day,
        i.admitted_at, i.prompt_tokens, i.cached_tokens, i.completion_tokens, i.reasoning_tokens, i.cost, i.charged,
        usage_bucket(i.total_ms) + 256 * coalesce(usage_bucket(i.first_token_ms), 255) AS durations  -- 255: there was no token
      FROM usage_inference i WHERE i.settled_at >= $1 AND i.settled_at < $2
    ), cell AS (
      SELECT account_id, CASE WHEN grouping(quarter) = 0 THEN 15 WHEN grouping(hour) = 0 THEN 60 ELSE 1440 END * CASE grouping(model_id) WHEN 0 THEN 1 ELSE -1 END AS grain,
        coalesce(quarter, hour, day) AS start, coalesce(api_key_id, 0) AS api_key_id, coalesce(model_id, 0) AS model_id, status, coalesce(dialect, 0) AS dialect, count(*) AS requests, sum(prompt_tokens) AS prompt, sum(cached_tokens) AS cached,
        sum(completion_tokens) AS completion, sum(reasoning_tokens) AS reasoning, sum(cost)::bigint AS cost, sum(charged)::bigint AS charged,
        max(admitted_at) AS last_admitted_at, array_agg(durations) AS durations
      FROM row GROUP BY account_id, status, GROUPING SETS ((quarter, api_key_id, model_id, dialect), (hour, api_key_id, model_id, dialect), (day, api_key_id, model_id, dialect), (hour), (day))
    ), whole AS MATERIALIZED (
      SELECT account_id, grain, start, api_key_id, model_id, status, dialect, requests, prompt, cached, completion, reasoning, cost, charged, last_admitted_at,
        CASE WHEN requests = 1 AND durations[1] < 255 * 256 THEN ARRAY[256 + (durations[1] & 255), 256 + 128 + (durations[1] >> 8)]::bigint[]  -- most are alone
        ELSE (SELECT array_agg(h.code + h.n * 256 ORDER BY h.code)
              FROM (SELECT c.code, count(*) AS n FROM unnest(durations) d CROSS JOIN LATERAL (VALUES (d & 255), (128 + nullif(d >> 8, 255))) c (code)
                    WHERE c.code IS NOT NULL GROUP BY 1) h) END AS histogram
      FROM cell ORDER BY account_id, grain, start, api_key_id, model_id
    ), begun AS (  -- cells that were there when the mark stood at their start can hold something already
      INSERT INTO usage_rollup AS r (account_id, grain, start, api_key_id, model_id, status, dialect, requests, prompt_tokens, cached_tokens,
        completion_tokens, reasoning_tokens, cost, charged, last_admitted_at, histogram)
      SELECT * FROM whole WHERE start < $1
      ON CONFLICT (account_id, grain, start, api_key_id, model_id, status, dialect) DO UPDATE SET requests = r.requests + excluded.requests,
        prompt_tokens = r.prompt_tokens + excluded.prompt_tokens, cached_tokens = r.cached_tokens + excluded.cached_tokens,
        completion_tokens = r.completion_tokens + excluded.completion_tokens, reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
        cost = r.cost + excluded.cost, charged = r.charged + excluded.charged,
        last_admitted_at = greatest(r.last_admitted_at, excluded.last_admitted_at), histogram = usage_merge(r.histogram, excluded.histogram)
    ), new AS (  -- nothing was folded yet that was settled from here on
      INSERT INTO usage_rollup (account_id, grain, start, api_key_id, model_id, status, dialect, requests, prompt_tokens, cached_tokens,
        completion_tokens, reasoning_tokens, cost, charged, last_admitted_at, histogram)
      SELECT * FROM whole WHERE start >= $1
    )
    SELECT coalesce(sum(requests), 0) FROM whole WHERE grain = 15
  $fold$ INTO folded USING since, until;  -- EXECUTE plans with these very moments: only the end of the log is read
  RETURN folded;
END $$;

-- One step of about `most` requests. True when there is more to fold. Of two at the same time one does nothing.
DROP FUNCTION IF EXISTS usage_fold(interval);
CREATE OR REPLACE FUNCTION usage_fold(most int) RETURNS boolean
LANGUAGE plpgsql SET work_mem = '64MB' AS $$
DECLARE
  mark timestamptz;
  closed timestamptz;
  until timestamptz;
BEGIN
  SELECT m.settled_until INTO mark FROM usage_rollupmark m FOR UPDATE SKIP LOCKED;
  IF mark IS NULL THEN RETURN false; END IF;
  -- In statements of their own: what ended before the first one is visible to the last one.
  -- A transaction without an id has written nothing, and statements of ours end within a minute. Whoever we may not look at counts
  -- as having begun a minute ago.
  SELECT least(clock_timestamp() - interval '1 second', min(CASE
    WHEN a.query = '<insufficient privilege>' THEN clock_timestamp() - interval '1 minute'
    WHEN a.backend_xid IS NOT NULL OR a.xact_start > clock_timestamp() - interval '1 minute' THEN a.xact_start END))
  INTO closed
  FROM pg_stat_activity a WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid();
  IF closed <= mark THEN RETURN false; END IF;
  -- By rows and not by time: a quiet year is one step. What was settled at one moment is folded together. EXECUTE: see above.
  EXECUTE 'SELECT i.settled_at + interval ''1 microsecond'' FROM usage_inference i WHERE i.settled_at >= $1 ORDER BY i.settled_at OFFSET $2 LIMIT 1'
    INTO until USING mark, most;
  until := least(closed, until);
  PERFORM usage_fold_range(mark, until);
  UPDATE usage_rollupmark SET settled_until = until;
  RETURN until < closed;
END $$;

-- Makes the cells of a day (UTC) again from the log, as far as the mark has come. Returns how many requests they hold. Any number of
-- times, at any time: readers see the day as it was or as it is. Waits for a step of the fold. Refuses a day of which the log is dropped.
CREATE OR REPLACE FUNCTION usage_refold(day date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  mark timestamptz;
  since timestamptz := day::timestamp AT TIME ZONE 'UTC';
  until timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m FOR UPDATE;
  IF EXISTS (SELECT FROM usage_foldedmonth f WHERE f.latest >= since) THEN
    RAISE EXCEPTION 'the log of % is not complete any more: months of it were dropped', day;
  END IF;
  DELETE FROM usage_rollup r WHERE r.start >= since AND r.start < until;
  IF least(until, mark) <= since THEN RETURN 0; END IF;
  RETURN usage_fold_range(since, least(until, mark));
END $$;
