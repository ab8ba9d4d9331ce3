-- Enlarges the hold of a request by up to `wanted` nano-USD of the account's free credit, or makes one where it is gone (a crash of
-- the database may lose an admission that was not flushed), be it over nothing. Rare: a request that costs more than was held for it.
-- The caller holds the account's lock. Returns what could be taken.
CREATE OR REPLACE FUNCTION gateway_extend_hold(hold uuid, account bigint, wanted bigint, at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  taken_pools bigint[];
  taken_amounts bigint[];
  taken bigint;
BEGIN
  SELECT array_agg(f.pool_id ORDER BY f.burn_from), array_agg(least(f.burn_to, wanted) - f.burn_from ORDER BY f.burn_from),
    coalesce(sum(least(f.burn_to, wanted) - f.burn_from), 0)
  INTO taken_pools, taken_amounts, taken
  FROM billing_free_credit(ARRAY[account], at) f WHERE f.burn_from < wanted;

  IF taken > 0 THEN
    UPDATE billing_creditpool p SET held = p.held + t.amount
    FROM unnest(taken_pools, taken_amounts) t (pool_id, amount) WHERE p.id = t.pool_id;
  END IF;
  UPDATE gateway_hold h SET amount = h.amount + taken, pools = h.pools || taken_pools, pool_amounts = h.pool_amounts || taken_amounts
  WHERE h.id = hold;
  IF NOT FOUND THEN
    INSERT INTO gateway_hold (id, account_id, process_id, amount, pools, pool_amounts, tpm_second, tpm_tokens, model_id, price_id, dialect, streamed, admitted_at)
    VALUES (hold, account, 0, taken, coalesce(taken_pools, '{}'), coalesce(taken_amounts, '{}'), 0, 0, 0, 0, 0, false, at);
  END IF;
  RETURN taken;
END $$;
