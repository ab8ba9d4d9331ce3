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
      IF r.status = 4 OR EXISTS (SELECT 1 FROM usage_inference x WHERE x.id = r.id) THEN codes[r.ord] := 1; CONTINUE; END IF;
      codes[r.ord] := 2;
    END IF;
    IF r.logged THEN
      PERFORM gateway_extend_hold(r.id, r.account_id, r.cost - coalesce(r.held, 0), at);
    END IF;
  END LOOP;

  FOR r IN
    WITH item AS MATERIALIZED (
      SELECT i.*, codes[i.ord] AS code FROM unnest(
        ids, accounts, keys, logged, costs, tpm_tokens, models, prices, backends, dialects, streamed, statuses, http_statuses, finish_reasons,
        error_codes, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, queue_ms, first_token_ms, total_ms)
      WITH ORDINALITY i (
        id, account_id, key_id, logged, cost, tpm_tokens, model_id, price_id, backend_id, dialect, streamed, status, http_status, finish_reason,
        error_code, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, queue_ms, first_token_ms, total_ms, ord)
      WHERE codes[i.ord] IN (0, 2)
    ), ended AS (
      DELETE FROM gateway_hold h WHERE h.id = ANY (ids) AND h.id IN (SELECT x.id FROM item x)
      RETURNING h.id, h.account_id, h.key_id, h.pools, h.pool_amounts, h.tpm_second, h.tpm_tokens, h.admitted_at
    ), part AS MATERIALIZED (  -- what each hold takes of each of its pools: in the order in which it was held
      SELECT e.id, i.ord, e.account_id, p.pool_id, p.amount AS held, p.place,
        CASE WHEN i.logged THEN greatest(0, least(p.amount, i.cost - (sum(p.amount) OVER (PARTITION BY e.id ORDER BY p.place) - p.amount)))::bigint ELSE 0 END AS paid
      FROM ended e JOIN item i ON i.id = e.id
      CROSS JOIN LATERAL unnest(e.pools, e.pool_amounts) WITH ORDINALITY p (pool_id, amount, place)
    ), pools AS (
      UPDATE billing_creditpool p SET held = p.held - c.held, remaining = p.remaining - c.paid
      FROM (SELECT x.pool_id, sum(x.held)::bigint AS held, sum(x.paid)::bigint AS paid FROM part x GROUP BY x.pool_id) c
      WHERE p.id = c.pool_id
    ), limiters AS (
      UPDATE api_keys_limiter l SET second = c.second, requests = c.requests, tokens = c.tokens,
        requests_in_window = c.requests_in_window, tokens_in_window = c.tokens_in_window, open = c.open
      FROM (SELECT e.key_id, array_agg(e.tpm_second) AS seconds, array_agg(CASE WHEN i.logged THEN i.tpm_tokens ELSE 0 END - e.tpm_tokens) AS corrections
            FROM ended e JOIN item i ON i.id = e.id WHERE e.key_id IS NOT NULL GROUP BY e.key_id) k
      JOIN api_keys_limiter o ON o.key_id = k.key_id
      CROSS JOIN LATERAL limiter_end(limiter_slide(o, floor(extract(epoch FROM clock_timestamp()))::bigint), k.seconds, k.corrections) c
      WHERE l.key_id = k.key_id
    ), paid AS (
      SELECT p.ord, p.account_id, sum(p.paid)::bigint AS amount, array_agg(p.pool_id ORDER BY p.place) FILTER (WHERE p.paid > 0) AS pools,
        array_agg(p.paid ORDER BY p.place) FILTER (WHERE p.paid > 0) AS amounts, min(p.id::text) AS id
      FROM part p GROUP BY p.ord, p.account_id
    ), booked AS (  -- one usage transaction per account and batch, named after its first inference
      INSERT INTO billing_ledgertransaction (account_id, kind, reference, created_at)
      SELECT p.account_id, 1, min(p.id), at FROM paid p WHERE p.amount > 0 GROUP BY p.account_id
      RETURNING id, account_id
    ), posted AS (
      INSERT INTO billing_posting (transaction_id, account_id, book, pool_id, amount)
      SELECT b.id, b.account_id, 1, p.pool_id, -sum(p.paid) FROM booked b JOIN part p ON p.account_id = b.account_id WHERE p.paid > 0 GROUP BY b.id, b.account_id, p.pool_id
      UNION ALL
      SELECT b.id, b.account_id, 2, NULL, sum(p.paid) FROM booked b JOIN part p ON p.account_id = b.account_id WHERE p.paid > 0 GROUP BY b.id, b.account_id
    ), written_off AS (
      INSERT INTO billing_writeoff (inference_id, account_id, amount, created_at)
      SELECT i.id, i.account_id, i.cost - coalesce(p.amount, 0), at FROM item i LEFT JOIN paid p ON p.ord = i.ord
      WHERE i.logged AND i.cost > coalesce(p.amount, 0)
    ), log AS (
      INSERT INTO usage_inference (id, account_id, api_key_id, model_id, price_id, backend_id, transaction_id, dialect, streamed, status, http_status,
        finish_reason, error_code, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, estimated, cost, charged, paid_pools, paid_amounts,
        admitted_at, settled_at, queue_ms, first_token_ms, total_ms)
      SELECT i.id, i.account_id, i.key_id, i.model_id, i.price_id, i.backend_id, CASE WHEN p.amount > 0 THEN b.id END, i.dialect, i.streamed, i.status, i.http_status,
        i.finish_reason, i.error_code, i.prompt_tokens, i.cached_tokens, i.completion_tokens, i.reasoning_tokens, i.estimated, i.cost, coalesce(p.amount, 0),
        coalesce(p.pools, '{}'), coalesce(p.amounts, '{}'), CASE WHEN i.code = 0 THEN e.admitted_at ELSE at END, at, i.queue_ms, i.first_token_ms, i.total_ms
      FROM item i LEFT JOIN ended e ON e.id = i.id LEFT JOIN paid p ON p.ord = i.ord LEFT JOIN booked b ON b.account_id = i.account_id
      WHERE i.logged
    )
    SELECT i.ord, i.logged, coalesce(p.amount, 0) AS amount FROM item i LEFT JOIN paid p ON p.ord = i.ord
  LOOP
    charges[r.ord] := r.amount;
    IF NOT r.logged THEN codes[r.ord] := 3; END IF;
  END LOOP;

  FOR i IN 1 .. cardinality(ids) LOOP
    item := i; code := codes[i]; charged := charges[i];
    RETURN NEXT;
  END LOOP;
END $$;
