-- Sums of the inference log over all accounts, for operators and the status page: cells of a quarter of an hour, an hour and a day (UTC) by
-- model, backend and status. They follow the sums of accounts (sql/fold.sql): what is folded there is closed, and is folded here next.
--
-- `faults` are requests that ended badly by our doing or a backend's: failed or lost, and not because the request was refused (4xx).
-- `generated_tokens` were written in `generating_ms`: what came after the first token, of requests of which both are known.

-- Adds what was settled in [since, until) to the cells: the one statement that says what a cell holds.
CREATE OR REPLACE FUNCTION usage_fold_platform_range(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE $fold$
    WITH row AS (
      SELECT i.*, date_bin('15 minutes', i.settled_at, '2000-01-01 00:00Z') AS quarter, date_bin('1 hour', i.settled_at, '2000-01-01 00:00Z') AS hour,
        date_bin('1 day', i.settled_at, '2000-01-01 00:00Z') AS day, coalesce(i.backend_id, 0) AS backend,
        i.status IN (3, 4) AND i.http_status NOT BETWEEN 400 AND 499 AS fault,
        i.first_token_ms IS NOT NULL AND i.total_ms > i.first_token_ms AND i.completion_tokens > 1 AS timed
      FROM usage_inference i WHERE i.settled_at >= $1 AND i.settled_at < $2
    ), cell AS (
      SELECT CASE WHEN grouping(quarter) = 0 THEN 15 WHEN grouping(hour) = 0 THEN 60 ELSE 1440 END AS grain, coalesce(quarter, hour, day) AS start,
        model_id, backend, status, count(*) AS requests, count(*) FILTER (WHERE fault) AS faults, sum(prompt_tokens) AS prompt, sum(cached_tokens) AS cached,
        sum(completion_tokens) AS completion, sum(cost) AS cost, sum(charged) AS charged, coalesce(sum(completion_tokens) FILTER (WHERE timed), 0) AS generated,
        coalesce(sum(total_ms - first_token_ms) FILTER (WHERE timed), 0) AS generating,
        array_agg(usage_bucket(total_ms)) AS whole, array_agg(128 + usage_bucket(first_token_ms)) FILTER (WHERE first_token_ms IS NOT NULL) AS first
      FROM row GROUP BY model_id, backend, status, GROUPING SETS ((quarter), (hour), (day))
    )
    INSERT INTO usage_platformcell AS c (grain, start, model_id, backend_id, status, requests, faults, prompt_tokens, cached_tokens, completion_tokens, cost,
      charged, generated_tokens, generating_ms, histogram)
    SELECT grain, start, model_id, backend, status, requests, faults, prompt, cached, completion, cost, charged, generated, generating,
      (SELECT array_agg(h.code + h.n * 256 ORDER BY h.code)
       FROM (SELECT u AS code, count(*) AS n FROM unnest(whole || coalesce(first, '{}')) u GROUP BY 1) h)
    FROM cell ORDER BY grain, start, model_id, backend
    ON CONFLICT (grain, start, model_id, backend_id, status) DO UPDATE SET requests = c.requests + excluded.requests, faults = c.faults + excluded.faults,
      prompt_tokens = c.prompt_tokens + excluded.prompt_tokens, cached_tokens = c.cached_tokens + excluded.cached_tokens,
      completion_tokens = c.completion_tokens + excluded.completion_tokens, cost = c.cost + excluded.cost, charged = c.charged + excluded.charged,
      generated_tokens = c.generated_tokens + excluded.generated_tokens, generating_ms = c.generating_ms + excluded.generating_ms,
      histogram = usage_merge(c.histogram, excluded.histogram)
  $fold$ USING since, until;
END $$;

-- One step of about `most` requests. True when there is more to fold. Of two at the same time one does nothing.
CREATE OR REPLACE FUNCTION usage_fold_platform(most int) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  mark timestamptz;
  closed timestamptz;
  until timestamptz;
BEGIN
  SELECT m.settled_until INTO mark FROM usage_platformmark m FOR UPDATE SKIP LOCKED;
  SELECT m.settled_until INTO STRICT closed FROM usage_rollupmark m;
  IF mark IS NULL OR closed <= mark THEN RETURN false; END IF;
  EXECUTE 'SELECT i.settled_at + interval ''1 microsecond'' FROM usage_inference i WHERE i.settled_at >= $1 ORDER BY i.settled_at OFFSET $2 LIMIT 1'
    INTO until USING mark, most;
  until := least(closed, until);
  PERFORM usage_fold_platform_range(mark, until);
  UPDATE usage_platformmark SET settled_until = until;
  RETURN until < closed;
END $$;

-- Makes the cells of a day (UTC) again from the log, as far as the mark has come. Any number of times, at any time: readers see the day as
-- it was or as it is. Waits for a step of either fold, and for a month that is dropped. Refuses a day of which the log is dropped.
CREATE OR REPLACE FUNCTION usage_refold_platform(day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  mark timestamptz;
  since timestamptz := day::timestamp AT TIME ZONE 'UTC';
  until timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
  PERFORM FROM usage_rollupmark FOR UPDATE;
  SELECT m.settled_until INTO STRICT mark FROM usage_platformmark m FOR UPDATE;
  IF EXISTS (SELECT FROM usage_foldedmonth f WHERE f.latest >= since) THEN
    RAISE EXCEPTION 'the log of % is not complete any more: months of it were dropped', day;
  END IF;
  DELETE FROM usage_platformcell c WHERE c.grain IN (15, 60, 1440) AND c.start >= since AND c.start < until;
  IF least(until, mark) > since THEN PERFORM usage_fold_platform_range(since, least(until, mark)); END IF;
END $$;

-- Sums by bucket, model and backend over segments of time (apps/usage/ranges.py); `of_model` is a model, or NULL for all.
CREATE OR REPLACE FUNCTION usage_platform_sums(buckets int[], grains smallint[], sinces timestamptz[], untils timestamptz[], of_model bigint)
RETURNS TABLE (bucket int, model_id bigint, backend_id bigint, requests bigint, errors bigint, faults bigint, prompt_tokens bigint, cached_tokens bigint,
  completion_tokens bigint, cost bigint, charged bigint, generated_tokens bigint, generating_ms bigint, histogram bigint[])
LANGUAGE sql STABLE AS $$
  WITH cell AS MATERIALIZED (
    SELECT s.bucket, c.* FROM unnest(buckets, grains, sinces, untils) s (bucket, grain, since, until)
    CROSS JOIN LATERAL (SELECT * FROM usage_platformcell x WHERE x.grain = s.grain AND x.start >= s.since AND x.start < s.until AND (of_model IS NULL OR x.model_id = of_model)) c
  ), counts AS (
    SELECT h.bucket, h.model_id, h.backend_id, array_agg(h.code + h.n * 256 ORDER BY h.code) AS histogram
    FROM (SELECT e.bucket, e.model_id, e.backend_id, (u & 255)::int AS code, sum(u >> 8)::bigint AS n FROM cell e CROSS JOIN LATERAL unnest(e.histogram) u
          GROUP BY 1, 2, 3, 4) h
    GROUP BY 1, 2, 3
  )
  SELECT c.bucket, c.model_id, c.backend_id, sum(c.requests)::bigint, coalesce(sum(c.requests) FILTER (WHERE c.status IN (3, 4)), 0)::bigint, sum(c.faults)::bigint,
    sum(c.prompt_tokens)::bigint, sum(c.cached_tokens)::bigint, sum(c.completion_tokens)::bigint, sum(c.cost)::bigint, sum(c.charged)::bigint,
    sum(c.generated_tokens)::bigint, sum(c.generating_ms)::bigint, n.histogram
  FROM cell c JOIN counts n ON n.bucket = c.bucket AND n.model_id = c.model_id AND n.backend_id = c.backend_id
  GROUP BY c.bucket, c.model_id, c.backend_id, n.histogram
$$;
