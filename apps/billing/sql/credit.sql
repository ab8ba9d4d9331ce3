-- The free credit of accounts, pool by pool, laid end to end in burn order: kind (its number is the priority), expiry
-- (never-expiring last), age. [burn_from, burn_to) is the pool's place on that line, in nano-USD: whoever takes an amount that
-- starts at x takes from each pool what overlaps. The caller holds the accounts' locks; `at` is the database's clock.
CREATE OR REPLACE FUNCTION billing_free_credit(accounts bigint[], at timestamptz)
RETURNS TABLE (account_id bigint, pool_id bigint, burn_from bigint, burn_to bigint)
LANGUAGE sql STABLE AS $$
  SELECT p.account_id, p.id,
    (sum(p.remaining - p.held) OVER burn_order)::bigint - (p.remaining - p.held),
    (sum(p.remaining - p.held) OVER burn_order)::bigint
  FROM billing_creditpool p
  WHERE p.account_id = ANY (accounts) AND p.remaining > p.held AND (p.expires_at IS NULL OR p.expires_at > at)
  WINDOW burn_order AS (PARTITION BY p.account_id ORDER BY p.kind, p.expires_at NULLS LAST, p.created_at, p.id)
$$;
