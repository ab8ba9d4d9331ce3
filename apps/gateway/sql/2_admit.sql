-- Admission: one atomic decision for each request of a batch. docs/the-way-of-a-request.md tells the story around it.
--
-- A request is admitted when its process is not fenced, its key and account are in force, its key has requests, tokens and
-- concurrency left, and its account has the credit. A refusal changes nothing. All clocks are the database's.
--
-- Lock order: the accounts' rows in id order, in a statement of its own, so that every later statement sees what the previous
-- holder of a lock wrote. That lock covers the accounts' pools, limiters and holds. Nothing else is waited for under it.
--
-- Money: `base_pico` is the price of the prompt estimate plus the price per request, `output_pico` that of one output token of
-- all choices, in pico-USD; a hold is their sum rounded up to nano-USD. `output_wanted` tokens are held for if the credit allows,
-- `output_least` must be affordable (equal to `output_wanted` where the client asked for that many itself).
--
-- Codes (apps/gateway/admission.py has the same list): 0 admitted, 1 key refused, 2 key expired, 3 account suspended,
-- 4 requests, 5 tokens, 6 concurrency, 7 credit, 8 account busy (ask again), 9 process fenced, 10 the key is not for inference, 11 and 12
-- what the key may spend in a day and in a month (UTC); `available` is then what is left of that, and `resets_at` when it begins anew.
--
-- `keeps` says whether the account keeps prompts and answers (apps/texts); the row is read here anyway.
CREATE OR REPLACE FUNCTION gateway_admit(
  process bigint, ids uuid[], accounts bigint[], keys bigint[], base_pico bigint[], output_pico bigint[], output_wanted int[],
  output_least int[], tpm_tokens bigint[], models bigint[], prices bigint[], dialects smallint[], streamed boolean[], skip_locked boolean)
RETURNS TABLE (
  item int, code smallint, output_granted int, available bigint, rpm int, rpm_left bigint, tpm bigint, tpm_left bigint, max_concurrent int,
  resets_at bigint, retry_after int, keeps boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  at timestamptz;
  now_second bigint;
  locked bigint[];
  is_fenced boolean;
  r record;
  account bigint;                 -- whose items the loop is in
  account_status smallint;
  account_keeps boolean;
  pool_ids bigint[];              -- its free credit, before this batch: pool by pool in burn order,
  pool_ends bigint[];             -- and where each ends on the account's credit line
  pool int;                       -- the pool that burns next, by its place in these
  free bigint;
  burned bigint;                  -- what this batch took of it so far
  key bigint;                     -- whose limiter `l` is
  k api_keys_apikey;
  l api_keys_limiter;
  newly int := 0;                 -- what this batch has admitted with the key and `l` does not say yet: changing its arrays is dear
  newly_reserved bigint := 0;
  limiter_changed boolean := false;
  changed_limiters api_keys_limiter[] := '{}';
  s api_keys_spend;               -- what the key has spent and holds, when it has a limit on that
  newly_spent bigint := 0;        -- what this batch holds with the key beyond `s`
  changed_spends api_keys_spend[] := '{}';
  spend_left bigint;
  free_here bigint;               -- of the account's credit, what the key may spend
  unit text;
  reserve bigint;
  need bigint;
  taken bigint;
  -- by number of item: the limiter's second and the tokens that were reserved in it
  seconds bigint[] := array_fill(0::bigint, ARRAY[cardinality(ids)]);
  reserves bigint[] := array_fill(0::bigint, ARRAY[cardinality(ids)]);
  spends bigint[] := array_fill(0::bigint, ARRAY[cardinality(ids)]);
  -- a part for each pool that an admitted item takes from, one over nothing for an item that costs nothing
  part_item int[] := '{}';
  part_pool bigint[] := '{}';
  part_amount bigint[] := '{}';
BEGIN
  IF skip_locked THEN
    SELECT coalesce(array_agg(s.id), '{}') INTO locked
    FROM (SELECT a.id FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED) s;
  ELSE
    PERFORM 1 FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE;
  END IF;
  at := clock_timestamp();
  now_second := floor(extract(epoch FROM at));
  SELECT p.fenced INTO is_fenced FROM gateway_process p WHERE p.id = process;

  FOR r IN
    SELECT i.ord::int AS ord, i.id, i.account_id, i.key_id, i.base_pico, i.output_pico, i.output_wanted, i.output_least, i.tpm_tokens, h.amount AS held_already
    FROM unnest(ids, accounts, keys, base_pico, output_pico, output_wanted, output_least, tpm_tokens)
      WITH ORDINALITY i (id, account_id, key_id, base_pico, output_pico, output_wanted, output_least, tpm_tokens, ord)
    -- LATERAL … OFFSET 0: always an index probe per item, whatever statistics an empty table left behind
    LEFT JOIN LATERAL (SELECT x.amount FROM gateway_hold x WHERE x.id = i.id OFFSET 0) h ON true
    ORDER BY i.account_id, i.key_id NULLS FIRST, i.ord
  LOOP
    item := r.ord; code := 0; output_granted := 0; available := 0; retry_after := 0; resets_at := 0;
    rpm := NULL; rpm_left := NULL; tpm := NULL; tpm_left := NULL; max_concurrent := NULL;

    IF account IS DISTINCT FROM r.account_id THEN
      account := r.account_id; burned := 0; pool := 1;
      SELECT x.status, x.keep_days IS NOT NULL INTO account_status, account_keeps FROM accounts_account x WHERE x.id = account;
      SELECT coalesce(array_agg(x.pool_id ORDER BY x.burn_to), '{}'), coalesce(array_agg(x.burn_to ORDER BY x.burn_to), '{}'), coalesce(max(x.burn_to), 0)
        INTO pool_ids, pool_ends, free FROM billing_free_credit(ARRAY[account], at) x;
    END IF;
    IF key IS DISTINCT FROM r.key_id THEN
      IF limiter_changed THEN changed_limiters := changed_limiters || limiter_admit(l, newly, newly_reserved); END IF;
      IF newly_spent > 0 THEN s.held := s.held + newly_spent; changed_spends := changed_spends || s; END IF;
      key := r.key_id; newly := 0; newly_reserved := 0; limiter_changed := false; newly_spent := 0; spend_left := NULL;
      k := NULL; l := NULL;
      SELECT x.* INTO k FROM api_keys_apikey x WHERE x.id = key;
      IF k.id IS NOT NULL THEN
        SELECT x.* INTO l FROM api_keys_limiter x WHERE x.key_id = key;
        IF l.key_id IS NULL THEN  -- first use, or the table was lost in a crash
          l := ROW (key, now_second, array_fill(0, ARRAY[61]), array_fill(0::bigint, ARRAY[61]), 0, 0,
            (SELECT count(*) FROM gateway_hold x WHERE x.key_id = key))::api_keys_limiter;
        END IF;
        l := limiter_slide(l, now_second);
        IF k.spend_limit_day IS NOT NULL OR k.spend_limit_month IS NOT NULL THEN s := gateway_spend(key, at); END IF;
      END IF;
    END IF;

    keeps := account_keeps;
    available := free - burned;
    IF is_fenced IS NOT FALSE THEN code := 9;
    ELSIF account_status IS NULL THEN code := 1;  -- before the next line: nobody can lock a row that is not there
    ELSIF skip_locked AND NOT r.account_id = ANY (locked) THEN code := 8;
    ELSIF r.held_already IS NOT NULL THEN code := 0;  -- asked again after a connection broke: it was admitted then, and is open
    ELSIF key IS NOT NULL AND (k.id IS NULL OR k.account_id <> r.account_id OR k.revoked_at IS NOT NULL) THEN code := 1;
    ELSIF k.scope <> 1 THEN code := 10;
    ELSIF k.expires_at <= at THEN code := 2;
    ELSIF account_status <> 1 THEN code := 3;
    END IF;
    IF code <> 0 THEN RETURN NEXT; CONTINUE; END IF;

    rpm := k.rpm; tpm := k.tpm; max_concurrent := k.max_concurrent;
    reserve := least(r.tpm_tokens, k.tpm);  -- capped at the limit itself: one request can always run
    IF r.held_already IS NOT NULL THEN
      output_granted := CASE WHEN r.output_pico = 0 THEN r.output_wanted
        ELSE least(r.output_wanted, (r.held_already * 1000 - r.base_pico) / r.output_pico) END;
    ELSIF k.rpm IS NOT NULL AND l.requests_in_window + newly >= k.rpm THEN
      code := 4;
      l := limiter_admit(l, newly, newly_reserved); newly := 0; newly_reserved := 0;
      retry_after := l.second - now_second + limiter_seconds_until_free(l.requests, l.second, l.requests_in_window - k.rpm + 1);
    ELSIF k.tpm IS NOT NULL AND l.tokens_in_window + newly_reserved + reserve > k.tpm THEN
      code := 5;
      l := limiter_admit(l, newly, newly_reserved); newly := 0; newly_reserved := 0;
      retry_after := l.second - now_second + limiter_seconds_until_free(l.tokens, l.second, l.tokens_in_window + reserve - k.tpm);
    ELSIF l.open + newly >= k.max_concurrent THEN
      code := 6; retry_after := 1;
    ELSE
      -- 9 × 10^15 nano-USD (nine million dollars) of credit is enough for any one request and keeps the product in a bigint
      IF k.spend_limit_day IS NOT NULL OR k.spend_limit_month IS NOT NULL THEN
        spend_left := least(k.spend_limit_day - s.spent_day, k.spend_limit_month - s.spent_month) - s.held - newly_spent;
      END IF;
      free_here := least(available, spend_left);
      output_granted := CASE
        WHEN free_here * 1.0 < ceil(r.base_pico / 1000.0) THEN -1
        WHEN r.output_pico = 0 THEN r.output_wanted
        ELSE least(r.output_wanted, (least(free_here, 9000000000000000) * 1000 - r.base_pico) / r.output_pico) END;
      IF output_granted < r.output_least THEN
        code := 7; output_granted := greatest(output_granted, 0);
        IF spend_left < available THEN
          available := greatest(spend_left, 0);
          code := CASE WHEN k.spend_limit_month - s.spent_month <= coalesce(k.spend_limit_day - s.spent_day, 9223372036854775807) THEN 12 ELSE 11 END;
          unit := CASE code WHEN 11 THEN 'day' ELSE 'month' END;
          retry_after := ceil(extract(epoch FROM (date_trunc(unit, at AT TIME ZONE 'UTC') + ('1 ' || unit)::interval) AT TIME ZONE 'UTC' - at));
        END IF;
      ELSE
        need := (r.base_pico + r.output_pico * output_granted + 999) / 1000;
        seconds[r.ord] := coalesce(l.second, 0);
        reserves[r.ord] := coalesce(reserve, 0);
        IF spend_left IS NOT NULL THEN
          spends[r.ord] := need;
          newly_spent := newly_spent + need;
        END IF;
        IF need = 0 THEN
          part_item := part_item || r.ord; part_pool := part_pool || NULL::bigint; part_amount := part_amount || 0::bigint;
        END IF;
        WHILE need > 0 LOOP
          taken := least(pool_ends[pool] - burned, need);
          part_item := part_item || r.ord; part_pool := part_pool || pool_ids[pool]; part_amount := part_amount || taken;
          burned := burned + taken;
          need := need - taken;
          IF burned = pool_ends[pool] THEN pool := pool + 1; END IF;
        END LOOP;
        IF key IS NOT NULL THEN
          newly := newly + 1; newly_reserved := newly_reserved + coalesce(reserve, 0); limiter_changed := true;
        END IF;
      END IF;
    END IF;
    IF k.rpm IS NOT NULL THEN rpm_left := greatest(0, k.rpm - l.requests_in_window - newly); END IF;
    IF k.tpm IS NOT NULL THEN tpm_left := greatest(0, k.tpm - l.tokens_in_window - newly_reserved); END IF;
    resets_at := now_second + CASE WHEN code = 0 THEN 61 ELSE retry_after END;
    RETURN NEXT;
  END LOOP;
  IF limiter_changed THEN changed_limiters := changed_limiters || limiter_admit(l, newly, newly_reserved); END IF;
  IF newly_spent > 0 THEN s.held := s.held + newly_spent; changed_spends := changed_spends || s; END IF;
  IF cardinality(part_item) = 0 THEN RETURN; END IF;

  IF cardinality(changed_spends) > 0 THEN
    INSERT INTO api_keys_spend SELECT (unnest(changed_spends)).*
    ON CONFLICT (key_id) DO UPDATE SET day = excluded.day, spent_day = excluded.spent_day, month = excluded.month, spent_month = excluded.spent_month,
      held = excluded.held;
  END IF;

  INSERT INTO api_keys_limiter SELECT (unnest(changed_limiters)).*
  ON CONFLICT (key_id) DO UPDATE SET second = excluded.second, requests = excluded.requests, tokens = excluded.tokens,
    requests_in_window = excluded.requests_in_window, tokens_in_window = excluded.tokens_in_window, open = excluded.open;

  WITH part AS MATERIALIZED (
    SELECT * FROM unnest(part_item, part_pool, part_amount) WITH ORDINALITY p (ord, pool_id, amount, place)
  ), pools AS (
    UPDATE billing_creditpool p SET held = p.held + t.amount
    FROM (SELECT x.pool_id, sum(x.amount)::bigint AS amount FROM part x GROUP BY x.pool_id) t WHERE p.id = t.pool_id
  )
  INSERT INTO gateway_hold (id, account_id, key_id, process_id, amount, pools, pool_amounts, tpm_second, tpm_tokens, spend_held, model_id, price_id, dialect, streamed, admitted_at)
  SELECT ids[i.ord], accounts[i.ord], keys[i.ord], process, sum(i.amount),
    coalesce(array_agg(i.pool_id ORDER BY i.place) FILTER (WHERE i.pool_id IS NOT NULL), '{}'),
    coalesce(array_agg(i.amount ORDER BY i.place) FILTER (WHERE i.pool_id IS NOT NULL), '{}'),
    seconds[i.ord], reserves[i.ord], spends[i.ord], models[i.ord], prices[i.ord], dialects[i.ord], streamed[i.ord], at
  FROM part i GROUP BY i.ord;
END $$;
