-- The smallest UUIDv7 of a moment: where a partition of the inference log begins.
CREATE OR REPLACE FUNCTION usage_uuid7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7000' || '8000' || '000000000000')::uuid
$$;

-- Makes the monthly partitions from the current month to `months_ahead` months on; those that exist stay. Returns how many are new.
-- Months are UTC's. Ids outside every month land in the default partition, so a charge never fails for want of one; what landed
-- there before its month was made moves over (Postgres refuses a partition whose rows the default one holds).
CREATE OR REPLACE FUNCTION usage_make_partitions(months_ahead int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  month_start timestamptz;
  partition_name text;
  first_id uuid;
  next_id uuid;
  made int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('usage_make_partitions'));  -- processes that start together make them once
  FOR month IN 0 .. months_ahead LOOP
    month_start := (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => month)) AT TIME ZONE 'UTC';
    partition_name := 'usage_inference_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYY_MM');
    IF to_regclass(partition_name) IS NULL THEN
      first_id := usage_uuid7_floor(month_start);
      next_id := usage_uuid7_floor(((month_start AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC');
      -- Attaching, unlike CREATE … PARTITION OF, does not shut settlements out of the whole log meanwhile: only out of this one.
      LOCK TABLE usage_inference_other IN ACCESS EXCLUSIVE MODE;
      EXECUTE format('CREATE TABLE %I (LIKE usage_inference INCLUDING ALL)', partition_name);
      EXECUTE format('WITH moved AS (DELETE FROM usage_inference_other WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
        first_id, next_id, partition_name);
      EXECUTE format('ALTER TABLE usage_inference ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition_name, first_id, next_id);
      made := made + 1;
    END IF;
  END LOOP;
  RETURN made;
END $$;
