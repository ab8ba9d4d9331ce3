-- What a key has spent today and this month (UTC) and what its open requests hold: counters of keys that have, or had, a limit on it.
-- spent + held never passes the limit at an admission. A key's first limited admission makes its counters out of the log; from then on
-- settlement keeps them, whether there is still a limit or not. Requests that were open before count when they end.
-- The caller holds the account's lock.

-- The counters as they stand at `at`.
CREATE OR REPLACE FUNCTION gateway_spend(key bigint, at timestamptz) RETURNS api_keys_spend
LANGUAGE plpgsql AS $$
DECLARE
  s api_keys_spend;
BEGIN
  SELECT x.* INTO s FROM api_keys_spend x WHERE x.key_id = key;
  IF s.key_id IS NOT NULL THEN RETURN gateway_spend_end(s, at, 0, 0); END IF;
  s := ROW (key, (at AT TIME ZONE 'UTC')::date, 0, date_trunc('month', at AT TIME ZONE 'UTC')::date, 0, 0)::api_keys_spend;
  SELECT u.charged_today, u.charged_this_month INTO s.spent_day, s.spent_month FROM usage_of_keys(ARRAY[key], at) u;
  s.spent_day := coalesce(s.spent_day, 0);
  s.spent_month := coalesce(s.spent_month, 0);
  RETURN s;
END $$;

-- After requests that held `ended` together were charged `charged` at `at`. A clock that is set back begins no day a second time.
CREATE OR REPLACE FUNCTION gateway_spend_end(s api_keys_spend, at timestamptz, ended bigint, charged bigint) RETURNS api_keys_spend
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  today date := (at AT TIME ZONE 'UTC')::date;
BEGIN
  IF today > s.day THEN s.day := today; s.spent_day := 0; END IF;
  IF today >= (s.month + interval '1 month')::date THEN s.month := date_trunc('month', today::timestamp)::date; s.spent_month := 0; END IF;
  s.spent_day := s.spent_day + charged;
  s.spent_month := s.spent_month + charged;
  s.held := s.held - ended;
  RETURN s;
END $$;
