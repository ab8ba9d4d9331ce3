"""The guards of money and limits, each with the change that switches it off and the tests that must notice.

A mutant replaces one exact text of a file of the product, or runs a statement on the test database (for guards that live in
migrations). To add one, append it here: `python -m tests.mutants NAME` tries it.
"""

from __future__ import annotations

from dataclasses import dataclass

ADMIT = "apps/gateway/sql/2_admit.sql"
SETTLE = "apps/gateway/sql/3_settle.sql"
HOLD = "apps/gateway/sql/1_hold.sql"
LEASE = "apps/gateway/sql/4_lease.sql"
LIMITER = "apps/api_keys/sql/limiter.sql"
CREDIT = "apps/billing/sql/credit.sql"
PARTITIONS = "apps/usage/sql/partitions.sql"

MACHINE = "tests/gateway/test_ledger_state_machine.py::test_every_history_of_the_ledger_goes_as_the_model_says"
BURN = "tests/gateway/test_money_burn_order.py::"
SPENT = "tests/gateway/test_money_is_never_overspent.py::"
ONCE = "tests/gateway/test_money_is_charged_once.py::"
LOST = "tests/gateway/test_money_of_a_lost_process.py::"
CROWD = "tests/gateway/test_money_under_contention.py::"
GUARDED = "tests/gateway/test_money_ledger_is_guarded.py::"
PLANS = "tests/gateway/test_money_plans_use_indexes.py::"
EXACT = "tests/gateway/test_limits_are_exact.py::"
SLIDE = "tests/gateway/test_limits_slide.py::"
EDITED = "tests/gateway/test_limits_of_an_edited_key.py::"
PRICES = "tests/billing/test_ledger_document.py::"
MONTHS = "tests/usage/test_partitions_of_the_log.py::"
BATCHES = "tests/core/test_batching.py::"
BALANCER = "tests/gateway/test_balancer.py::"
THROTTLE = "tests/gateway/test_keyring_throttle.py::"
KEYS = "tests/gateway/test_keys_over_http.py::"
BACKENDS = "tests/gateway/test_backends_over_http.py::"
FAULTS = "tests/gateway/test_faults_over_http.py::"
HEADERS = "tests/gateway/test_headers_over_http.py::"

BATCHING_PY = "apps/core/batching.py"
BALANCER_PY = "apps/gateway/balancer.py"
CALL_PY = "apps/gateway/backend_call.py"
CLIENT_PY = "apps/gateway/http_client.py"


@dataclass(frozen=True)
class Mutant:
    """`tests` are node ids of pytest, without parameters; with the guard off each of them must fail."""

    name: str
    guard: str
    tests: tuple[str, ...]
    file: str = ""
    old: str = ""
    new: str = ""
    statement: str = ""

    def apply(self, text: str) -> str:
        """The file's text with the guard off. Raises ValueError when the text to replace is not there exactly once."""
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"mutant {self.name}: {self.file} has its text {found} times, it must be there once:\n{self.old}")
        return text.replace(self.old, self.new)


MUTANTS = [
    # --- Credit (acceptance 1, 8, 12, 13)
    Mutant(
        "no-credit-check", "a request is admitted only if its account's credit covers it",
        (SPENT + "test_of_many_requests_on_a_balance_for_ten_exactly_ten_are_admitted",),
        ADMIT, "IF output_granted < r.output_least THEN", "IF false THEN",
    ),
    Mutant(
        "batch-forgets-what-it-took", "requests of one batch see what the batch has taken already",
        (SPENT + "test_of_many_requests_on_a_balance_for_ten_exactly_ten_are_admitted", BURN + "test_requests_of_one_batch_share_a_pool_without_overlap"),
        ADMIT, "available := free - burned;", "available := free;",
    ),
    Mutant(
        "no-account-lock-at-admission", "admission locks the accounts before it reads",
        (CROWD + "test_of_200_parallel_requests_on_a_balance_for_10_exactly_10_are_admitted",),
        ADMIT, "    PERFORM 1 FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE;\n", "    NULL;\n",
    ),
    Mutant(
        "hold-rounded-down", "a hold is rounded up to the next nano-dollar",
        (SPENT + "test_a_hold_is_the_exact_price_rounded_up_once",),
        ADMIT, "need := (r.base_pico + r.output_pico * output_granted + 999) / 1000;", "need := (r.base_pico + r.output_pico * output_granted) / 1000;",
    ),
    Mutant(
        "prompt-not-covered", "the prompt must be affordable to the last nano-dollar",
        (SPENT + "test_the_prompt_must_be_affordable_to_the_last_nano_dollar",),
        ADMIT, "WHEN available * 1.0 < ceil(r.base_pico / 1000.0) THEN -1", "WHEN available < r.base_pico / 1000 THEN -1",
    ),
    Mutant(
        "held-credit-is-free", "what open requests hold is not free for others",
        (SPENT + "test_a_cost_above_the_hold_takes_free_credit_and_the_rest_is_written_off",),
        CREDIT, "(sum(p.remaining - p.held) OVER burn_order)::bigint - (p.remaining - p.held),\n    (sum(p.remaining - p.held) OVER burn_order)::bigint\n",
        "(sum(p.remaining) OVER burn_order)::bigint - p.remaining,\n    (sum(p.remaining) OVER burn_order)::bigint\n",
    ),
    Mutant(
        "expired-credit-burns", "expired credit pays for nothing new",
        (BURN + "test_credit_expires_at_its_moment_by_the_clock_of_the_database_whatever_the_zone", BURN + "test_a_hold_that_grows_takes_no_expired_credit",),
        CREDIT, " AND (p.expires_at IS NULL OR p.expires_at > at)", "",
    ),
    Mutant(
        "expiry-a-moment-late", "credit expires at its moment, not after it",
        (BURN + "test_credit_expires_at_its_moment_by_the_clock_of_the_database_whatever_the_zone",),
        CREDIT, "p.expires_at > at", "p.expires_at >= at",
    ),
    Mutant(
        "no-burn-priority", "trial credit burns before purchased credit",
        (BURN + "test_trial_credit_burns_before_promotions_and_those_before_purchased_credit",),
        CREDIT, "ORDER BY p.kind, p.expires_at NULLS LAST, p.created_at, p.id", "ORDER BY p.expires_at NULLS LAST, p.created_at, p.id",
    ),
    Mutant(
        "no-expiry-order", "of one kind the pool that expires first burns first",
        (BURN + "test_of_one_kind_the_pool_that_expires_first_burns_first_and_the_older_of_two_alike",),
        CREDIT, "p.expires_at NULLS LAST, ", "p.expires_at NULLS FIRST, ",
    ),
    Mutant(
        "expiry-takes-what-is-held", "what a stream holds of an expired pool is honoured",
        (BURN + "test_credit_that_expires_while_a_stream_runs_is_honoured_as_far_as_it_was_held_and_the_rest_expires_once",),
        "apps/billing/expiry.py", "free = pool.remaining - pool.held", "free = pool.remaining",
    ),
    Mutant(
        "no-growth-of-a-hold", "a cost above the hold takes free credit before anything is written off",
        (SPENT + "test_a_cost_above_the_hold_takes_free_credit_and_the_rest_is_written_off", MACHINE),
        SETTLE, "      PERFORM gateway_extend_hold(r.id, r.account_id, r.cost - coalesce(r.held, 0), at);\n", "      NULL;\n",
    ),
    Mutant(
        "growth-beyond-credit", "a hold grows only by credit that is there",
        (SPENT + "test_a_cost_above_the_hold_takes_free_credit_and_the_rest_is_written_off",),
        HOLD, "array_agg(least(f.burn_to, wanted) - f.burn_from ORDER BY f.burn_from)", "array_agg(wanted - f.burn_from ORDER BY f.burn_from)",
    ),
    Mutant(
        "write-off-forgotten", "cost that was not collected is written off, visibly",
        (SPENT + "test_a_cost_above_the_hold_takes_free_credit_and_the_rest_is_written_off", MACHINE),
        SETTLE, "WHERE i.logged AND i.cost > coalesce(p.amount, 0)", "WHERE false",
    ),
    Mutant(
        "hold-not-given-back", "settling below the hold frees the difference",
        (SPENT + "test_settling_below_the_hold_gives_the_difference_back", MACHINE),
        SETTLE, "SET held = p.held - c.held,", "SET held = p.held - c.paid,",
    ),
    Mutant(
        "release-charges", "a released request is not charged",
        (SPENT + "test_a_release_charges_nothing_and_leaves_no_trace", MACHINE),
        SETTLE, "CASE WHEN i.logged THEN greatest(0,", "CASE WHEN true THEN greatest(0,",
    ),
    # --- Once (acceptance 3, 4, 5)
    Mutant(
        "settled-twice", "a settlement that finds no hold looks for its row before it charges",
        (ONCE + "test_a_settlement_that_is_sent_again_changes_nothing", MACHINE),
        SETTLE, "IF r.status = 4 OR EXISTS (SELECT 1 FROM usage_inference x WHERE x.id = r.id)", "IF r.status = 4",
    ),
    Mutant(
        "repeated-in-a-batch", "of two settlements in one batch the first counts",
        (ONCE + "test_of_two_settlements_in_one_batch_the_first_counts_and_the_batch_goes_through", MACHINE),
        SETTLE, "    IF r.repeated THEN codes[r.ord] := 1; CONTINUE; END IF;\n", "",
    ),
    Mutant(
        "reaper-charges-without-hold", "the reaper only ends holds",
        (CROWD + "test_what_a_released_request_costs_is_not_charged_by_a_reaper_that_read_it_before",),
        SETTLE, "IF r.status = 4 OR EXISTS", "IF EXISTS",
    ),
    Mutant(
        "no-account-lock-at-settlement", "settlement locks the accounts before it reads",
        (CROWD + "test_an_account_locked_by_a_slow_transaction_holds_up_only_itself",),
        SETTLE, "FOR NO KEY UPDATE SKIP LOCKED) s;", ") s;",
    ),
    Mutant(
        "hold-stays", "ending a request deletes its hold",
        (SPENT + "test_a_release_charges_nothing_and_leaves_no_trace", MACHINE),
        SETTLE, "DELETE FROM gateway_hold h WHERE", "UPDATE gateway_hold h SET amount = amount WHERE",
    ),
    Mutant(
        "admission-repeated", "an admission that is sent again is the same admission",
        (ONCE + "test_an_admission_that_is_sent_again_is_the_same_admission", MACHINE),
        ADMIT, "(SELECT x.amount FROM gateway_hold x WHERE x.id = i.id OFFSET 0) h ON true", "(SELECT x.amount FROM gateway_hold x WHERE false) h ON true",
    ),
    Mutant(
        "admission-repeated-after-revocation", "an admission that is sent again stands whatever became of the key",
        (ONCE + "test_an_admission_that_is_sent_again_stands_though_the_key_was_revoked_in_between",),
        ADMIT, "    ELSIF r.held_already IS NOT NULL THEN code := 0;", "    ELSIF false THEN code := 0;",
    ),
    # --- Leases (acceptance 2, 3, 19)
    Mutant(
        "fenced-process-admits", "a fenced process admits nothing",
        (LOST + "test_a_process_that_wakes_up_after_its_lease_finds_itself_fenced_off",),
        ADMIT, "IF is_fenced IS NOT FALSE THEN code := 9;", "IF is_fenced IS NULL THEN code := 9;",
    ),
    Mutant(
        "unknown-process-admits", "a process that never registered admits nothing",
        (LOST + "test_an_unknown_process_admits_nothing",),
        ADMIT, "IF is_fenced IS NOT FALSE THEN code := 9;", "IF is_fenced THEN code := 9;",
    ),
    Mutant(
        "fenced-process-renews", "a fenced process cannot renew its lease",
        (LOST + "test_a_process_that_wakes_up_after_its_lease_finds_itself_fenced_off",),
        LEASE, "WHERE p.id = process AND NOT p.fenced;", "WHERE p.id = process;",
    ),
    Mutant(
        "reaped-before-the-lease-ends", "a process that renews in time loses nothing",
        (LOST + "test_a_process_that_renewed_in_time_loses_nothing",),
        LEASE, "WHERE NOT p.fenced AND p.lease_until < clock_timestamp();", "WHERE NOT p.fenced AND p.lease_until < clock_timestamp() + interval '2 seconds';",
    ),
    Mutant(
        "lease-not-rechecked", "the reaper re-checks a lease under the lock of its row",
        (CROWD + "test_the_reaper_waits_for_a_renewal_that_is_under_way_and_leaves_the_process_alone",),
        LEASE, "WHERE NOT p.fenced AND p.lease_until < clock_timestamp();",
        "WHERE p.id IN (SELECT x.id FROM gateway_process x WHERE NOT x.fenced AND x.lease_until < clock_timestamp() OFFSET 0);",
    ),
    Mutant(
        "reaped-after-a-restart", "after a restart of the database nobody is fenced for one lease",
        (LOST + "test_after_a_restart_of_the_database_nobody_is_fenced_for_one_lease", MACHINE),
        LEASE, "IF clock_timestamp() < pg_postmaster_start_time() + make_interval(secs => lease_seconds) THEN RETURN 0; END IF;", "",
    ),
    Mutant(
        "reaped-at-zero", "lost requests are charged their last checkpoint",
        (LOST + "test_open_requests_end_at_their_last_checkpoint", MACHINE),
        LEASE, "array_agg(h.checkpoint_cost) AS costs", "array_agg(0::bigint) AS costs",
    ),
    Mutant(
        "nobody-is-reaped", "the holds of a lost process are resolved",
        (LOST + "test_open_requests_end_at_their_last_checkpoint", MACHINE),
        LEASE, "WHERE p.fenced IS NOT FALSE OR", "WHERE false OR",
    ),
    Mutant(
        "forgotten-holds-stay", "a hold that its living process forgot is resolved in the end",
        (LOST + "test_a_hold_older_than_any_request_is_resolved_though_its_process_lives", MACHINE),
        LEASE, " OR x.admitted_at < clock_timestamp() - interval '2 hours' LIMIT", " LIMIT",
    ),
    Mutant(
        "old-holds-overflow", "a hold of any age can be reaped",
        (LOST + "test_a_hold_that_was_open_for_months_while_everything_was_off_is_resolved_too",),
        LEASE, "array_agg(least(greatest(extract(epoch FROM clock_timestamp() - h.admitted_at) * 1000, 0), 2147483647)::int)",
        "array_agg((extract(epoch FROM clock_timestamp() - h.admitted_at) * 1000)::int)",
    ),
    Mutant(
        "renewal-waits", "a renewal does not wait for a settlement",
        (CROWD + "test_a_renewal_neither_waits_for_a_settlement_nor_calls_its_requests_lost",),
        LEASE, "FOR NO KEY UPDATE SKIP LOCKED", "FOR NO KEY UPDATE",
    ),
    # --- Locks and plans
    Mutant(
        "locks-in-any-order", "accounts are locked in the order of their ids",
        (CROWD + "test_batches_that_name_the_same_accounts_in_opposite_orders_do_not_deadlock",),
        ADMIT, "    PERFORM 1 FROM accounts_account a WHERE a.id = ANY (accounts) ORDER BY a.id FOR NO KEY UPDATE;\n",
        "    FOR r IN SELECT u.id FROM unnest(accounts) u (id) LOOP PERFORM 1 FROM accounts_account a WHERE a.id = r.id FOR NO KEY UPDATE; END LOOP;\n",
    ),
    Mutant(
        "busy-account-blocks", "an account that is locked by a slow transaction is skipped",
        (CROWD + "test_an_account_locked_by_a_slow_transaction_holds_up_only_itself",),
        ADMIT, "    ELSIF skip_locked AND NOT r.account_id = ANY (locked) THEN code := 8;\n", "",
    ),
    Mutant(
        "whole-table-read", "the hot path finds holds by their ids",
        (PLANS + "test_the_hot_path_reads_no_table_from_end_to_end",),
        SETTLE, "LEFT JOIN LATERAL (SELECT x.amount FROM gateway_hold x WHERE x.id = i.id OFFSET 0) h ON true",
        "LEFT JOIN LATERAL (SELECT x.amount FROM gateway_hold x WHERE x.id::text = i.id::text) h ON true",
    ),
    # --- Limits (acceptance 17, 18, 19, 20)
    Mutant(
        "no-request-limit", "requests a minute are limited",
        (EXACT + "test_exactly_as_many_are_admitted_as_the_limit_says", CROWD + "test_limits_hold_exactly_across_processes_that_ask_at_the_same_time", MACHINE),
        ADMIT, "ELSIF r.rpm IS NOT NULL AND l.requests_in_window >= r.rpm THEN", "ELSIF r.rpm IS NOT NULL AND l.requests_in_window > r.rpm THEN",
    ),
    Mutant(
        "tokens-not-reserved", "the estimate of tokens is reserved at admission",
        (EXACT + "test_exactly_as_many_are_admitted_as_the_limit_says",
         EXACT + "test_a_burst_passes_the_token_limit_by_no_more_than_what_its_own_requests_write_beyond_their_estimate", MACHINE),
        LIMITER, "  l.tokens_in_window := l.tokens_in_window + reserved;\n", "",
    ),
    Mutant(
        "tokens-not-corrected", "reserved tokens are corrected to the real ones at settlement",
        (EXACT + "test_the_estimate_is_reserved_at_admission_and_corrected_at_settlement", SLIDE + "test_tokens_are_corrected_in_the_second_they_were_reserved_in", MACHINE),
        LIMITER, "      l.tokens_in_window := l.tokens_in_window + correction;\n", "",
    ),
    Mutant(
        "correction-in-a-foreign-second", "a late correction does not touch the second that has taken over its slot",
        (SLIDE + "test_a_correction_that_comes_after_its_second_has_left_the_window_changes_nothing",),
        LIMITER, "IF admitted_seconds[i] BETWEEN l.second - 60 AND l.second THEN", "IF true THEN",
    ),
    Mutant(
        "no-reserve-cap", "a request larger than the token limit can run alone",
        (EXACT + "test_a_request_larger_than_the_token_limit_can_run_alone", MACHINE),
        ADMIT, "reserve := least(r.tpm_tokens, r.tpm);", "reserve := r.tpm_tokens;",
    ),
    Mutant(
        "slot-not-freed", "a slot comes back when its request ends",
        (EXACT + "test_a_slot_comes_back_when_its_request_ends", MACHINE),
        LIMITER, "  l.open := greatest(0, l.open - cardinality(admitted_seconds));\n", "",
    ),
    Mutant(
        "slots-forgotten-in-a-crash", "slots are counted from the holds when the counters are lost",
        (EXACT + "test_slots_are_counted_again_from_the_holds_when_a_crash_emptied_the_counters",),
        ADMIT, "(SELECT count(*) FROM gateway_hold x WHERE x.key_id = key))::api_keys_limiter;", "0)::api_keys_limiter;",
    ),
    Mutant(
        "refusal-counts", "a refused request uses up nothing",
        (EXACT + "test_a_request_refused_beside_an_admitted_one_uses_up_nothing",),
        ADMIT, "code := 7; output_granted := greatest(output_granted, 0);",
        "code := 7; output_granted := greatest(output_granted, 0); IF key IS NOT NULL THEN l := limiter_admit(l, reserve); limiter_changed := true; END IF;",
    ),
    Mutant(
        "window-of-sixty", "no sixty seconds, wherever they start, hold more than the limit",
        (SLIDE + "test_a_request_leaves_the_window_when_its_second_is_a_minute_past",
         SLIDE + "test_no_sixty_seconds_hold_more_than_the_limit_and_retry_after_is_the_first_moment_that_works"),
        LIMITER, "IF abs(now_second - l.second) > 60 THEN", "IF abs(now_second - l.second) > 59 THEN",
    ),
    Mutant(
        "clock-stepped-back", "a clock that was set back does not shut a key out until it has caught up",
        (SLIDE + "test_a_large_step_of_the_clock_starts_the_window_afresh",),
        LIMITER, "IF abs(now_second - l.second) > 60 THEN", "IF now_second - l.second > 60 THEN",
    ),
    Mutant(
        "retry-after-too-early", "a refusal says when the same request will be admitted",
        (SLIDE + "test_retry_after_waits_for_as_many_tokens_as_the_request_needs",),
        LIMITER, "IF freed >= excess THEN", "IF freed > 0 THEN",
    ),
    Mutant(
        "revoked-key-works", "a revoked key is refused from the next request on",
        (EDITED + "test_a_change_counts_from_the_next_request_on_in_every_process", MACHINE),
        ADMIT, "r.key_scope <> 1 OR r.revoked_at IS NOT NULL)", "r.key_scope <> 1)",
    ),
    Mutant(
        "expired-key-works", "an expired key is refused from its moment on",
        (EDITED + "test_a_key_expires_at_its_moment_by_the_clock_of_the_database",),
        ADMIT, "    ELSIF r.expires_at <= at THEN code := 2;\n", "",
    ),
    Mutant(
        "foreign-key-pays", "a key pays only from its own account",
        (EDITED + "test_a_key_pays_only_from_its_own_account", MACHINE),
        ADMIT, "r.key_account <> r.account_id OR ", "",
    ),
    Mutant(
        "suspended-account-works", "a suspended account is refused",
        (EDITED + "test_a_change_counts_from_the_next_request_on_in_every_process", MACHINE),
        ADMIT, "    ELSIF r.account_status <> 1 THEN code := 3;\n", "",
    ),
    # --- Prices (acceptance 15, 16)
    Mutant(
        "price-not-pinned", "the price of admission is kept with the hold",
        (SPENT + "test_the_price_of_admission_is_kept_with_the_hold_for_whoever_ends_the_request",),
        ADMIT, "models[i.ord], prices[i.ord], dialects[i.ord]", "models[i.ord], 0, dialects[i.ord]",
    ),
    Mutant(
        "cached-tokens-priced-twice", "cached prompt tokens are priced once, at the cache price",
        (PRICES + "test_the_worked_examples_of_the_document_come_out_as_written",),
        "apps/catalog/pricing.py", "(usage.prompt_tokens - cached) * rates.input_pico\n        +", "usage.prompt_tokens * rates.input_pico\n        +",
    ),
    Mutant(
        "cost-rounded-down", "a cost is rounded up once",
        (PRICES + "test_the_worked_examples_of_the_document_come_out_as_written",),
        "apps/core/money.py", "return -(-pico // PICO_PER_NANO)", "return pico // PICO_PER_NANO",
    ),
    # --- The ledger's own guards
    Mutant(
        "unbalanced-postings", "postings that do not sum to zero are refused",
        (GUARDED + "test_postings_that_do_not_sum_to_zero_are_refused", GUARDED + "test_one_unbalanced_transaction_among_balanced_ones_is_refused"),
        statement="DROP TRIGGER billing_postings_balance ON billing_posting",
    ),
    Mutant(
        "postings-can-be-changed", "what is booked stays",
        (GUARDED + "test_what_is_booked_stays",),
        statement="DROP TRIGGER billing_posting_append_only ON billing_posting",
    ),
    Mutant(
        "causes-booked-twice", "a cause is booked only once",
        (GUARDED + "test_a_cause_is_booked_only_once",),
        statement="ALTER TABLE billing_ledgertransaction DROP CONSTRAINT billing_ledgertransaction_once",
    ),
    Mutant(
        "pools-can-overdraw", "a pool never holds more than it has",
        (GUARDED + "test_a_pool_never_holds_more_than_it_has_nor_has_more_than_was_granted",),
        statement="ALTER TABLE billing_creditpool DROP CONSTRAINT billing_creditpool_held_remaining_granted",
    ),
    Mutant(
        "early-rows-stay-behind", "rows that were written before their month's partition was made move into it",
        (MONTHS + "test_rows_that_came_before_their_partition_move_into_it",),
        PARTITIONS, "      EXECUTE format('WITH moved AS (DELETE FROM usage_inference_other WHERE id >= %L AND id < %L RETURNING *) INSERT INTO %I SELECT * FROM moved',\n        first_id, next_id, partition_name);\n", "",
    ),
    # --- Batches, keys and backends (acceptance 17, 19, 31–33, 37, 39, 43, 44)
    Mutant(
        "granted-to-nobody", "what a caller who left was granted is given back",
        (BATCHES + "TestACallerWhoLeaves::test_gives_back_what_was_under_way", BATCHES + "test_every_item_gets_its_own_result_in_order_whatever_happens_to_the_others"),
        BATCHING_PY, "            elif self._orphaned is not None:\n                self._orphaned(item, result)", "",
    ),
    Mutant(
        "granted-between-result-and-wake-up", "a caller who leaves between its result and its wake-up gives it back",
        (BATCHES + "TestACallerWhoLeaves::test_gives_back_a_result_that_came_before_it_woke_up_exactly_once",),
        BATCHING_PY, "                self._orphaned(item, future.result())", "                pass",
    ),
    Mutant(
        "one-bad-item-fails-all", "when a batch is refused its items are tried one by one",
        (BATCHES + "test_one_bad_item_never_fails_its_batch",),
        BATCHING_PY, "                for entry in batch:\n                    await self._try([entry])\n                return", "                for _, future in batch:\n                    _refuse(future, error)\n                return",
    ),
    Mutant(
        "answered-items-go-again", "of a batch that broke in the middle only the rest is tried again",
        (BATCHES + "TestWhileTheOtherSideIsAway::test_a_part_that_was_answered_before_the_break_is_not_tried_again",),
        BATCHING_PY, "if not entry[1].done():", "if not entry[1].cancelled():",
    ),
    Mutant(
        "guesses-are-free", "wrong keys are throttled by address",
        (THROTTLE + "test_ten_thousand_wrong_keys_are_refused_and_soon_throttled_while_good_keys_work", KEYS + "test_wrong_keys_are_throttled_by_address_and_a_good_key_from_there_goes_on"),
        "apps/gateway/keyring.py", "self._throttle.wrong(address)", "pass",
    ),
    Mutant(
        "last-backend-is-ejected", "the last backend of a model stays in rotation however often it fails",
        (BALANCER + "TestABackendThatAnswersWithErrors::test_stays_when_it_is_the_last_one", BACKENDS + "test_the_last_backend_stays_however_often_it_fails"),
        BALANCER_PY, "state.errors_in_row >= ERRORS_TO_EJECT and not last", "state.errors_in_row >= ERRORS_TO_EJECT",
    ),
    Mutant(
        "poison-counts", "a request that fails on two backends counts against neither",
        (BACKENDS + "test_requests_that_fail_everywhere_take_no_backend_out",),
        CALL_PY, "    if len(failed) == 1:\n        balancer.failed(failed[0], model.backends)", "    for each in failed:\n        balancer.failed(each, model.backends)",
    ),
    Mutant(
        "no-second-try", "a backend that fails before the first byte costs nobody an answer",
        (BACKENDS + "test_one_failing_backend_costs_nobody_an_answer",),
        CALL_PY, "MAX_TRIES = 2", "MAX_TRIES = 1",
    ),
    Mutant(
        "private-addresses", "a private address is refused when it is connected to",
        (BACKENDS + "test_a_private_address_is_refused_when_it_is_connected_to",),
        CLIENT_PY, "                        self.guard(ip)\n", "",
    ),
    Mutant(
        "somebody-elses-answer", "an answer that nobody asked for is never given to the next customer",
        (FAULTS + "test_an_answer_that_nobody_asked_for_is_never_given_to_the_next_customer",),
        CLIENT_PY, "    def on_body(self, data: bytes) -> None:\n        if self._complete:\n            return\n", "    def on_body(self, data: bytes) -> None:\n",
    ),
    Mutant(
        "drips-for-ever", "a backend that sends bytes and never ends a line is given up",
        (FAULTS + "test_a_backend_that_drips_bytes_without_ever_ending_a_line_is_given_up",),
        "apps/gateway/inference.py", 'waited = 0.0 if b"\\n" in packet or b"\\r" in packet else', "waited = 0.0 if packet else",
    ),
    Mutant(
        "keys-in-the-log", "keys that a backend echoes do not get into the log",
        (KEYS + "test_no_key_is_in_a_log_an_answer_or_the_database",),
        "apps/gateway/redaction.py", 'return _KEYS.sub("[key]", text.replace(secret, "[key]") if secret else text)', "return text",
    ),
    Mutant(
        "backend-texts-as-they-are", "a text that gives a backend's address or credentials away does not reach a client",
        (BACKENDS + "test_a_text_that_gives_something_away_is_replaced",),
        CALL_PY, "    if _UNSAFE.search(text) or", "    if",
    ),
    Mutant(
        "no-stack-to-spare", "what is accepted is not nested too deeply for any later step",
        (KEYS + "test_whatever_nesting_is_accepted_is_settled_too",),
        "apps/gateway/openai/fields.py", "SPARE_FRAMES = 50", "SPARE_FRAMES = 0",
    ),
    Mutant(
        "wrong-limit-in-the-headers", "a refusal's headers are about the limit that refused",
        (HEADERS + "TestARefusalForALimit::test_of_tokens_is_about_tokens",),
        "apps/gateway/admission.py", "    if decision.rpm is not None and decision.code != TOKENS:", "    if decision.rpm is not None:",
    ),
]  # fmt: skip


def by_name(name: str) -> Mutant:
    """Raises KeyError."""
    return {mutant.name: mutant for mutant in MUTANTS}[name]
