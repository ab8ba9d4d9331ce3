-- Reading the sums of the log, exact to the last request that has ended. All are STABLE: mark, cells and the rest of the log are read as
-- of one moment, so a fold in between changes nothing. Where a filter is NULL, everything passes.
--
-- A range comes as segments (apps/usage/ranges.py): each names the bucket that it is added to, the one that it is taken away from (NULL:
-- none), the grain of the cells that fill it without a rest, and its moments [since, until). Only the newest hold rows that are not folded yet.

-- Requests and amounts by bucket and group; `grouping` is 'model', 'key', 'status', 'dialect' or '' for all in one.
CREATE OR REPLACE FUNCTION usage_sums(account bigint, buckets int[], taken_from int[], grains smallint[], sinces timestamptz[], untils timestamptz[],
  grouping_by text, keys bigint[], models bigint[], statuses smallint[], dialects smallint[])
RETURNS TABLE (bucket int, of_group bigint, requests bigint, errors bigint, prompt_tokens bigint, cached_tokens bigint, completion_tokens bigint,
  reasoning_tokens bigint, cost bigint, charged bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
  named text := CASE grouping_by WHEN 'model' THEN 'model_id' WHEN 'key' THEN 'api_key_id' WHEN 'status' THEN 'status' WHEN 'dialect' THEN 'dialect' ELSE '0' END;
BEGIN
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m;
  RETURN QUERY EXECUTE format($read$
    WITH segment AS (SELECT * FROM unnest($2, $12, $3, $4, $5) s (bucket, taken_from, grain, since, until))
    SELECT m.bucket, u.of_group, sum(m.sign * u.requests)::bigint, sum(m.sign * u.errors)::bigint, sum(m.sign * u.prompt_tokens)::bigint,
      sum(m.sign * u.cached_tokens)::bigint, sum(m.sign * u.completion_tokens)::bigint, sum(m.sign * u.reasoning_tokens)::bigint,
      sum(m.sign * u.cost)::bigint, sum(m.sign * u.charged)::bigint
    FROM (
      SELECT s.bucket, s.taken_from, r.* FROM segment s CROSS JOIN LATERAL (
        SELECT (%1$s)::bigint AS of_group, sum(x.requests)::bigint AS requests, coalesce(sum(x.requests) FILTER (WHERE x.status IN (3, 4)), 0)::bigint AS errors,
          sum(x.prompt_tokens)::bigint AS prompt_tokens, sum(x.cached_tokens)::bigint AS cached_tokens, sum(x.completion_tokens)::bigint AS completion_tokens,
          sum(x.reasoning_tokens)::bigint AS reasoning_tokens, sum(x.cost)::bigint AS cost, sum(x.charged)::bigint AS charged
        FROM usage_rollup x WHERE x.account_id = $1 AND x.grain = s.grain AND x.start >= s.since AND x.start < s.until
          AND ($6 IS NULL OR x.api_key_id = ANY ($6)) AND ($7 IS NULL OR x.model_id = ANY ($7)) AND ($8 IS NULL OR x.status = ANY ($8))
          AND ($9 IS NULL OR x.dialect = ANY ($9)) GROUP BY 1) r
      UNION ALL
      SELECT s.bucket, s.taken_from, (%1$s)::bigint, 1, (x.status IN (3, 4))::int, x.prompt_tokens, x.cached_tokens, x.completion_tokens, x.reasoning_tokens,
        x.cost, x.charged
      FROM (SELECT i.settled_at, coalesce(i.api_key_id, 0) AS api_key_id, i.model_id, i.status, i.dialect, i.prompt_tokens, i.cached_tokens,
              i.completion_tokens, i.reasoning_tokens, i.cost, i.charged
            FROM usage_inference i WHERE i.settled_at >= $10 AND i.account_id = $1 AND i.settled_at < $11 OFFSET 0) x
      JOIN segment s ON x.settled_at >= s.since AND x.settled_at < s.until
      WHERE ($6 IS NULL OR x.api_key_id = ANY ($6)) AND ($7 IS NULL OR x.model_id = ANY ($7)) AND ($8 IS NULL OR x.status = ANY ($8))
        AND ($9 IS NULL OR x.dialect = ANY ($9))
    ) u CROSS JOIN LATERAL (VALUES (u.bucket, 1), (u.taken_from, -1)) m (bucket, sign)
    WHERE m.bucket IS NOT NULL GROUP BY m.bucket, u.of_group HAVING sum(m.sign * u.requests) > 0
  $read$, named) USING account, buckets, grains, sinces, untils, keys, models, statuses, dialects, mark, (SELECT max(u) FROM unnest(untils) u), taken_from;
END $$;

-- Durations by bucket and group: `codes` are those of a histogram (sql/fold.sql), in order, `counts` how many requests each has.
CREATE OR REPLACE FUNCTION usage_durations(account bigint, buckets int[], taken_from int[], grains smallint[], sinces timestamptz[], untils timestamptz[],
  grouping_by text, keys bigint[], models bigint[], statuses smallint[], dialects smallint[])
RETURNS TABLE (bucket int, of_group bigint, codes int[], counts bigint[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
  named text := CASE grouping_by WHEN 'model' THEN 'model_id' WHEN 'key' THEN 'api_key_id' WHEN 'status' THEN 'status' WHEN 'dialect' THEN 'dialect' ELSE '0' END;
BEGIN
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m;
  RETURN QUERY EXECUTE format($read$
    WITH segment AS (SELECT * FROM unnest($2, $12, $3, $4, $5) s (bucket, taken_from, grain, since, until)),
    counted AS (
      SELECT m.bucket, u.of_group, u.code, sum(m.sign * u.n)::bigint AS n
      FROM (
        SELECT s.bucket, s.taken_from, r.* FROM segment s CROSS JOIN LATERAL (  -- so that each segment is a stretch of the index, whatever the planner knows
          SELECT (%1$s)::bigint AS of_group, (h & 255)::int AS code, sum(h >> 8)::bigint AS n
          FROM usage_rollup x CROSS JOIN LATERAL unnest(x.histogram) h
          WHERE x.account_id = $1 AND x.grain = s.grain AND x.start >= s.since AND x.start < s.until
            AND ($6 IS NULL OR x.api_key_id = ANY ($6)) AND ($7 IS NULL OR x.model_id = ANY ($7)) AND ($8 IS NULL OR x.status = ANY ($8))
            AND ($9 IS NULL OR x.dialect = ANY ($9)) GROUP BY 1, 2) r
        UNION ALL
        SELECT s.bucket, s.taken_from, (%1$s)::bigint, c.code, 1
        FROM (SELECT i.settled_at, coalesce(i.api_key_id, 0) AS api_key_id, i.model_id, i.status, i.dialect, i.total_ms, i.first_token_ms
              FROM usage_inference i WHERE i.settled_at >= $10 AND i.account_id = $1 AND i.settled_at < $11 OFFSET 0) x
        JOIN segment s ON x.settled_at >= s.since AND x.settled_at < s.until
        CROSS JOIN LATERAL (VALUES (usage_bucket(x.total_ms)), (128 + usage_bucket(x.first_token_ms))) c (code)
        WHERE c.code IS NOT NULL AND ($6 IS NULL OR x.api_key_id = ANY ($6)) AND ($7 IS NULL OR x.model_id = ANY ($7)) AND ($8 IS NULL OR x.status = ANY ($8))
          AND ($9 IS NULL OR x.dialect = ANY ($9))
      ) u CROSS JOIN LATERAL (VALUES (u.bucket, 1), (u.taken_from, -1)) m (bucket, sign)
      WHERE m.bucket IS NOT NULL GROUP BY m.bucket, u.of_group, u.code HAVING sum(m.sign * u.n) > 0
    )
    SELECT c.bucket, c.of_group, array_agg(c.code ORDER BY c.code), array_agg(c.n ORDER BY c.code) FROM counted c GROUP BY c.bucket, c.of_group
  $read$, named) USING account, buckets, grains, sinces, untils, keys, models, statuses, dialects, mark, (SELECT max(u) FROM unnest(untils) u), taken_from;
END $$;

-- The days (UTC) on which a key was used, from `since` on.
CREATE OR REPLACE FUNCTION usage_days_of_key(key bigint, since date)
RETURNS TABLE (day date, requests bigint, charged bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
BEGIN
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m;
  RETURN QUERY EXECUTE $read$
    SELECT u.day, sum(u.requests)::bigint, sum(u.charged)::bigint
    FROM (
      SELECT (r.start AT TIME ZONE 'UTC')::date AS day, r.requests, r.charged FROM usage_rollup r
      WHERE r.grain = 1440 AND r.api_key_id = $1 AND r.start >= $3::timestamp AT TIME ZONE 'UTC'
      UNION ALL
      SELECT (i.settled_at AT TIME ZONE 'UTC')::date, 1, i.charged FROM usage_inference i WHERE i.settled_at >= $2 AND i.api_key_id = $1
    ) u WHERE u.day >= $3 GROUP BY u.day
  $read$ USING key, mark, since;
END $$;

-- What keys used so far, in the month and on the day (UTC) of `at` (now, if it is NULL), in nano-USD. Keys that were never used are left out.
CREATE OR REPLACE FUNCTION usage_of_keys(keys bigint[], at timestamptz DEFAULT NULL)
RETURNS TABLE (api_key_id bigint, requests bigint, charged bigint, charged_this_month bigint, charged_today bigint, last_admitted_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  mark timestamptz;
  today timestamptz := date_trunc('day', coalesce(at, clock_timestamp()), 'UTC');
BEGIN
  SELECT m.settled_until INTO STRICT mark FROM usage_rollupmark m;
  RETURN QUERY EXECUTE $read$
    SELECT u.api_key_id, sum(u.requests)::bigint, sum(u.charged)::bigint, coalesce(sum(u.charged) FILTER (WHERE u.moment >= $3), 0)::bigint,
      coalesce(sum(u.charged) FILTER (WHERE u.moment >= $4), 0)::bigint, max(u.last_admitted_at)
    FROM (
      SELECT r.api_key_id, r.start AS moment, r.requests, r.charged, r.last_admitted_at FROM usage_rollup r WHERE r.grain = 1440 AND r.api_key_id = ANY ($1)
      UNION ALL
      SELECT i.api_key_id, i.settled_at, 1, i.charged, i.admitted_at FROM usage_inference i WHERE i.settled_at >= $2 AND i.api_key_id = ANY ($1)
    ) u GROUP BY u.api_key_id
  $read$ USING keys, mark, date_trunc('month', today, 'UTC'), today;
END $$;
