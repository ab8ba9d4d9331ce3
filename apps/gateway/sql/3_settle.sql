-- Settlement: each request of a batch ends. Its hold is deleted, its cost moves from the pools that were held to revenue, its
-- tokens of the minute are corrected, its slot is free, and its row joins the inference log: all in one transaction.
--
-- Exactly once: ending a request means deleting its hold, and its id is the log's primary key. A settlement that comes a second
-- time (a retry, or after the reaper) finds no hold and its row there, and does nothing; of two in one batch the first counts.
-- The reaper (status 4) only ends holds: where there is none, somebody was faster.
-- A cost above the hold takes free credit; what no credit is left for is written off. The customer never goes below zero.
--
-- `logged` false releases the hold of a request that came to nothing before it was sent anywhere: no row, no charge.
-- Codes: 0 settled, 1 settled before (the first one stands), 2 the hold was gone and the cost was charged directly, 3 released,
-- 8 account busy (ask again).
-- Lock order as in gateway_admit.
CREATE OR REPLACE FUNCTION gateway_settle(
  ids uuid[], accounts bigint[], keys bigint[], logged boolean[], costs bigint[], tpm_tokens bigint[], models bigint[], prices bigint[],
  backends bigint[], dialects smallint[], streamed boolean[], statuses smallint[], http_statuses smallint[], finish_reasons text[],
  error_codes text[], prompt_tokens int[], cached_tokens int[], completion_tokens int[], reasoning_tokens int[], estimated boolean[],
  queue_ms int[], first_token_ms int[], total_ms int[], skip_locked boolean)
RETURNS TABLE (item int, code smallint, charged bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  at timestamptz;
  now_second bigint;
  locked bigint[];
  r record;
  codes smallint[] := array_fill(0::smallint, ARRAY[cardinality(ids)]);
  charges bigint[] := array_fill(0::bigint, ARRAY[cardinality(ids)]);
BEGIN
  IF skip_locked THEN
    SELECT coalesce(array_agg(s.id), '{}') INTO locked
    FROM (SELECT a.id FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED) s;
    FOR i IN 1 .. cardinality(ids) LOOP
      IF NOT accounts[i] = ANY (locked) AND EXISTS (SELECT 1 FROM accounts_account a WHERE a.id = accounts[i]) THEN codes[i] := 8; END IF;
    END LOOP;
  ELSE
    PERFORM 1 FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE;
  END IF;
  at := clock_timestamp();
  now_second := floor(extract(epoch FROM at));

  -- The rare ones first: a repetition, no hold, or a hold smaller than the cost.
  FOR r IN
    SELECT i.ord, i.id, i.account_id, i.logged, i.cost, i.status, i.repeated, h.amount AS held
    FROM (SELECT u.*, row_number() OVER (PARTITION BY u.id ORDER BY u.ord) > 1 AS repeated
          FROM unnest(ids, accounts, logged, costs, statuses) WITH ORDINALITY u (id, account_id, logged, cost, status, ord)) i
    LEFT JOIN LATERAL (SELECT x.amount FROM gateway_hold x WHERE x.id = i.id OFFSET 0) h ON true
    WHERE i.repeated OR h.amount IS NULL OR i.cost > h.amount
    ORDER BY i.account_id, i.ord
  LOOP
    CONTINUE WHEN codes[r.ord] = 8;
    IF r.repeated THEN codes[r.ord] := 1; CONTINUE; END IF;
    IF r.held IS NULL THEN
      IF NOT r.logged THEN codes[r.ord] := 3; CONTINUE; END IF;
      IF r.status = 4 OR EXISTS (SELECT 1 FROM usage_inference x WHERE x.id = r.id) OR EXISTS (
        -- Its month is out of the log (usage_drop_month): it was in it, unless it waited longer than that month was kept. An old file of
        -- the journal that is replayed must not charge again.
        SELECT 1 FROM usage_foldedmonth f
        WHERE f.account_id = r.account_id AND f.month = date_trunc('month', uuid_extract_timestamp(r.id) AT TIME ZONE 'UTC')::date
      ) THEN codes[r.ord] := 1; CONTINUE; END IF;
      codes[r.ord] := 2;
    END IF;
    IF r.logged THEN
      PERFORM gateway_extend_hold(r.id, r.account_id, r.cost - coalesce(r.held, 0), at);
    END IF;
  END LOOP;

  -- Every item that is left has a hold now. What a statement finds out about an item stays in the item's own row from here to the
  -- log: the planner guesses that a batch is two rows, and would join two lists of a hundred by comparing all with all.
  FOR r IN
    WITH sent AS (
      SELECT * FROM unnest(
        ids, keys, logged, costs, tpm_tokens, models, prices, backends, dialects, streamed, statuses, http_statuses, finish_reasons,
        error_codes, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, queue_ms, first_token_ms, total_ms)
      WITH ORDINALITY i (
        id, api_key_id, logged, cost, tpm_tokens, model_id, price_id, backend_id, dialect, streamed, status, http_status, finish_reason,
        error_code, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, queue_ms, first_token_ms, total_ms, ord)
      WHERE codes[i.ord] IN (0, 2)
    ), ended AS (
      DELETE FROM gateway_hold h USING sent i WHERE h.id = i.id
      RETURNING i.*, h.account_id, h.key_id AS limited_key_id, h.pools, h.pool_amounts, h.tpm_second, h.tpm_tokens AS tpm_reserved, h.spend_held, h.admitted_at,
        CASE WHEN i.logged THEN least(h.amount, i.cost) ELSE 0 END AS charged
    ), item AS MATERIALIZED (  -- what each takes of each of its pools: in the order in which it was held
      SELECT e.*,
        CASE
          WHEN e.charged = 0 THEN '{}'
          WHEN cardinality(e.pools) = 1 THEN ARRAY[e.charged]
          ELSE (SELECT array_agg(least(p.amount, e.charged - p.before) ORDER BY p.place)
                FROM (SELECT u.amount, u.place, (sum(u.amount) OVER (ORDER BY u.place))::bigint - u.amount AS before
                      FROM unnest(e.pool_amounts) WITH ORDINALITY u (amount, place)) p
                WHERE p.amount > 0 AND p.before < e.charged)
        END AS paid_amounts,
        CASE
          WHEN e.charged = 0 THEN '{}'
          WHEN cardinality(e.pools) = 1 THEN e.pools
          ELSE (SELECT array_agg(p.pool_id ORDER BY p.place)
                FROM (SELECT u.pool_id, u.amount, u.place, (sum(u.amount) OVER (ORDER BY u.place))::bigint - u.amount AS before
                      FROM unnest(e.pools, e.pool_amounts) WITH ORDINALITY u (pool_id, amount, place)) p
                WHERE p.amount > 0 AND p.before < e.charged)
        END AS paid_pools
      FROM ended e
    ), change AS MATERIALIZED (
      SELECT x.account_id, x.pool_id, sum(x.held)::bigint AS held, sum(x.paid)::bigint AS paid
      FROM (SELECT e.account_id, unnest(e.pools) AS pool_id, unnest(e.pool_amounts) AS held, 0::bigint AS paid FROM item e
            UNION ALL SELECT e.account_id, unnest(e.paid_pools), 0, unnest(e.paid_amounts) FROM item e) x
      GROUP BY x.account_id, x.pool_id
    ), pools AS (
      UPDATE billing_creditpool p SET held = p.held - c.held, remaining = p.remaining - c.paid
      FROM change c WHERE p.id = c.pool_id
    ), limiters AS (  -- by ON CONFLICT, so that it is an index probe for each key whatever statistics there are
      INSERT INTO api_keys_limiter
      SELECT e.* FROM (
        SELECT s.key_id, array_agg(s.second) AS seconds, array_agg(s.correction) AS corrections, sum(s.ended)::int AS ended
        FROM (SELECT i.limited_key_id AS key_id, i.tpm_second AS second, count(*) AS ended,
                -- beyond the window what was reserved in vain is void: it must not make up for what another used beyond its reserve
                sum(CASE WHEN i.tpm_second < now_second - 60 THEN greatest(c.tokens, 0) ELSE c.tokens END)::bigint AS correction
              FROM item i CROSS JOIN LATERAL (SELECT CASE WHEN i.logged THEN i.tpm_tokens ELSE 0 END - i.tpm_reserved AS tokens) c
              WHERE i.limited_key_id IS NOT NULL GROUP BY i.limited_key_id, i.tpm_second) s
        GROUP BY s.key_id) k
      CROSS JOIN LATERAL (SELECT x AS row FROM api_keys_limiter x WHERE x.key_id = k.key_id OFFSET 0) l
      CROSS JOIN LATERAL limiter_end(limiter_slide(l.row, now_second), k.seconds, k.corrections, k.ended) e
      ON CONFLICT (key_id) DO UPDATE SET second = excluded.second, requests = excluded.requests, tokens = excluded.tokens,
        requests_in_window = excluded.requests_in_window, tokens_in_window = excluded.tokens_in_window, open = excluded.open
    ), spends AS (  -- of the keys that have counters, in the same way
      INSERT INTO api_keys_spend
      SELECT e.* FROM (
        SELECT i.api_key_id AS key_id, sum(i.spend_held)::bigint AS ended, sum(i.charged)::bigint AS charged
        FROM item i WHERE i.api_key_id IS NOT NULL GROUP BY i.api_key_id) k
      CROSS JOIN LATERAL (SELECT s AS row FROM api_keys_spend s WHERE s.key_id = k.key_id OFFSET 0) x
      CROSS JOIN LATERAL gateway_spend_end(x.row, at, k.ended, k.charged) e
      ON CONFLICT (key_id) DO UPDATE SET day = excluded.day, spent_day = excluded.spent_day, month = excluded.month, spent_month = excluded.spent_month,
        held = excluded.held
    ), booked AS (  -- one usage transaction per account and batch, named after its first inference
      INSERT INTO billing_ledgertransaction (account_id, kind, reference, created_at)
      SELECT i.account_id, 1, min(i.id::text), at FROM item i WHERE i.charged > 0 GROUP BY i.account_id
      RETURNING id, account_id
    ), posted AS (
      INSERT INTO billing_posting (transaction_id, account_id, book, pool_id, amount)
      SELECT b.id, b.account_id, 1, c.pool_id, -c.paid FROM booked b JOIN change c ON c.account_id = b.account_id WHERE c.paid > 0
      UNION ALL
      SELECT b.id, b.account_id, 2, NULL, sum(c.paid) FROM booked b JOIN change c ON c.account_id = b.account_id WHERE c.paid > 0 GROUP BY b.id, b.account_id
    ), written_off AS (
      INSERT INTO billing_writeoff (inference_id, account_id, amount, created_at)
      SELECT i.id, i.account_id, i.cost - i.charged, at FROM item i WHERE i.logged AND i.cost > i.charged
    ), log AS (
      INSERT INTO usage_inference (id, account_id, api_key_id, model_id, price_id, backend_id, transaction_id, dialect, streamed, status, http_status,
        finish_reason, error_code, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, cost, charged, paid_pools, paid_amounts,
        admitted_at, settled_at, queue_ms, first_token_ms, total_ms)
      SELECT i.id, i.account_id, i.api_key_id, i.model_id, i.price_id, i.backend_id, CASE WHEN i.charged > 0 THEN b.id END, i.dialect, i.streamed, i.status, i.http_status,
        i.finish_reason, i.error_code, i.prompt_tokens, i.cached_tokens, i.completion_tokens, i.reasoning_tokens, i.estimated, i.cost, i.charged,
        i.paid_pools, i.paid_amounts, i.admitted_at, at, i.queue_ms, i.first_token_ms, i.total_ms
      FROM item i LEFT JOIN booked b ON b.account_id = i.account_id
      WHERE i.logged
    )
    SELECT i.ord, i.logged, i.charged AS amount FROM item i
  LOOP
    charges[r.ord] := r.amount;
    IF NOT r.logged THEN codes[r.ord] := 3; END IF;
  END LOOP;

  FOR i IN 1 .. cardinality(ids) LOOP
    item := i; code := codes[i]; charged := charges[i];
    RETURN NEXT;
  END LOOP;
END $$;
