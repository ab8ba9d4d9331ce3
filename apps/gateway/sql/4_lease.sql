-- Leases: a gateway process says once a second that it lives and how far its streams are. One that does not is fenced: it may not
-- admit, and the reaper ends its requests.

-- A new process; returns its id. A process that was fenced registers again under a new id.
CREATE OR REPLACE FUNCTION gateway_register(name text, lease_seconds double precision) RETURNS bigint
LANGUAGE sql AS $$
  INSERT INTO gateway_process (name, started_at, lease_since, lease_until)
  VALUES (name, clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => lease_seconds)) RETURNING id
$$;

-- Renews the lease, which begins anew (`lease_since`) when less than a quarter of it was left, and writes the checkpoints of open requests: what each would cost if it ended now (nano-USD), and its tokens.
-- Returns the ids whose hold is gone (their streams must end), or NULL when the process is fenced.
-- Rows that a settlement is about to delete are skipped, not waited for: this statement takes no account locks.
CREATE OR REPLACE FUNCTION gateway_renew(
  process bigint, lease_seconds double precision, ids uuid[], backends bigint[], costs bigint[], prompt_tokens int[], completion_tokens int[])
RETURNS uuid[]
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  UPDATE gateway_process p SET lease_until = clock_timestamp() + make_interval(secs => lease_seconds),
    lease_since = CASE WHEN p.lease_until < clock_timestamp() + make_interval(secs => lease_seconds / 4) THEN clock_timestamp() ELSE p.lease_since END
  WHERE p.id = process AND NOT p.fenced;
  IF NOT FOUND THEN RETURN NULL; END IF;
  WITH checkpoint AS (
    SELECT * FROM unnest(ids, backends, costs, prompt_tokens, completion_tokens) c (id, backend_id, cost, prompt, completion)
  ), free AS (
    SELECT h.id FROM gateway_hold h WHERE h.id = ANY (ids) FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE gateway_hold h SET backend_id = c.backend_id, checkpoint_cost = c.cost, checkpoint_prompt_tokens = c.prompt, checkpoint_completion_tokens = c.completion
  FROM checkpoint c JOIN free f ON f.id = c.id WHERE h.id = c.id;
  RETURN coalesce((SELECT array_agg(i.id) FROM unnest(ids) i (id) WHERE NOT EXISTS (SELECT 1 FROM gateway_hold h WHERE h.id = i.id)), '{}');
END $$;

-- Gives up holds of this process that are two leases old and not among `known`, the requests that it has open or is settling: leaves
-- them to the reaper, as those of process 0. There should be none; an admission whose outcome stayed unknown on a broken connection
-- may have been committed after its release. Returns how many.
CREATE OR REPLACE FUNCTION gateway_disown(process bigint, lease_seconds double precision, known uuid[]) RETURNS bigint
LANGUAGE sql AS $$
  WITH disowned AS (
    UPDATE gateway_hold h SET process_id = 0
    WHERE h.process_id = process AND h.admitted_at < clock_timestamp() - make_interval(secs => 2 * lease_seconds) AND NOT h.id = ANY (known)
    RETURNING 1
  )
  SELECT count(*) FROM disowned
$$;

-- Fences the processes whose lease ran out, then ends up to `most` of the holds of fenced and unknown processes at their last
-- checkpoint; and holds of two hours, twice as old as any request may get, whoever owns them. Returns how many it ended.
-- Nobody is fenced unless one process has renewed for a whole lease without a gap: when the database was away or out of reach, the
-- first that is back must not take the others for dead. Nor for one lease after a restart of the database, since nobody could renew.
-- The holds are taken from all accounts in turn, so that those of an account that is locked leave room for the others'.
-- Fencing waits for a renewal that holds the process's row, and no renewal succeeds after it: the checkpoints read are the last.
CREATE OR REPLACE FUNCTION gateway_reap(lease_seconds double precision, most int) RETURNS int
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  reaped int;
BEGIN
  IF clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => lease_seconds) THEN RETURN 0; END IF;
  IF EXISTS (SELECT FROM gateway_process p WHERE NOT p.fenced AND p.lease_until >= clock_timestamp() + make_interval(secs => lease_seconds / 4)
             AND p.lease_since <= clock_timestamp() - make_interval(secs => lease_seconds)) THEN
    UPDATE gateway_process p SET fenced = true WHERE NOT p.fenced AND p.lease_until < clock_timestamp();
  END IF;
  SELECT count(*) INTO reaped FROM (
    SELECT array_agg(h.id) AS ids, array_agg(h.account_id) AS accounts, array_agg(h.key_id) AS keys, array_agg(true) AS logged,
      array_agg(h.checkpoint_cost) AS costs, array_agg((h.checkpoint_prompt_tokens + h.checkpoint_completion_tokens)::bigint) AS tpm,
      array_agg(h.model_id) AS models, array_agg(h.price_id) AS prices, array_agg(h.backend_id) AS backends, array_agg(h.dialect) AS dialects,
      array_agg(h.streamed) AS streamed, array_agg(4::smallint) AS statuses, array_agg(500::smallint) AS http_statuses, array_agg(''::text) AS finish_reasons,
      array_agg('gateway_lost'::text) AS error_codes, array_agg(h.checkpoint_prompt_tokens) AS prompt, array_agg(0) AS zeros,
      array_agg(h.checkpoint_completion_tokens) AS completion, array_agg(true) AS estimated, array_agg(NULL::int) AS unknown,
      array_agg(least(greatest(extract(epoch FROM clock_timestamp() - h.admitted_at) * 1000, 0), 2147483647)::int) AS total_ms
    FROM (SELECT x.* FROM gateway_hold x LEFT JOIN gateway_process p ON p.id = x.process_id WHERE p.fenced IS NOT FALSE OR x.admitted_at < clock_timestamp() - interval '2 hours'
          ORDER BY row_number() OVER (PARTITION BY x.account_id ORDER BY x.id), x.id LIMIT most) h
  ) lost
  CROSS JOIN LATERAL gateway_settle(lost.ids, lost.accounts, lost.keys, lost.logged, lost.costs, lost.tpm, lost.models, lost.prices, lost.backends,
    lost.dialects, lost.streamed, lost.statuses, lost.http_statuses, lost.finish_reasons, lost.error_codes, lost.prompt, lost.zeros, lost.completion,
    lost.zeros, lost.estimated, lost.zeros, lost.unknown, lost.total_ms, true) s
  WHERE lost.ids IS NOT NULL AND s.code = 0;
  DELETE FROM gateway_process p WHERE p.fenced AND p.lease_until < clock_timestamp() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM gateway_hold h WHERE h.process_id = p.id);
  RETURN reaped;
END $$;
