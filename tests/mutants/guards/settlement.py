"""A request is charged once, whoever dies or waits (acceptance 2–5, 19)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ADMIT = "apps/gateway/sql/2_admit.sql"
SETTLE = "apps/gateway/sql/3_settle.sql"
LEASE = "apps/gateway/sql/4_lease.sql"
MACHINE = "tests/gateway/test_ledger_state_machine.py::test_every_history_of_the_ledger_goes_as_the_model_says"
SPENT = "tests/gateway/test_money_is_never_overspent.py::"
ONCE = "tests/gateway/test_money_is_charged_once.py::"
LOST = "tests/gateway/test_money_of_a_lost_process.py::"
CROWD = "tests/gateway/test_money_under_contention.py::"
PLANS = "tests/gateway/test_money_plans_use_indexes.py::"

SETTLEMENT_GUARDS = [
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
        SETTLE, "DELETE FROM gateway_hold h USING", "UPDATE gateway_hold h SET amount = h.amount FROM",
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
        "first-back-fences-all", "nobody is fenced unless another has renewed for a whole lease",
        (LOST + "test_when_the_database_was_out_of_reach_the_first_process_back_fences_nobody",
         LOST + "test_a_single_process_that_is_started_again_reaps_its_predecessor_after_one_lease", MACHINE),
        LEASE, "AND p.lease_since <= clock_timestamp() - make_interval(secs => lease_seconds)) THEN", "AND true) THEN",
    ),
    Mutant(
        "gaps-are-not-seen", "a lease that was interrupted begins anew",
        (LOST + "test_when_the_database_was_out_of_reach_the_first_process_back_fences_nobody", MACHINE),
        LEASE, "make_interval(secs => lease_seconds / 4) THEN clock_timestamp() ELSE p.lease_since END", "make_interval(secs => lease_seconds / 4) THEN p.lease_since ELSE p.lease_since END",
    ),
    Mutant(
        "locked-account-starves-others", "lost requests are taken from all accounts in turn",
        (LOST + "test_a_locked_account_with_many_lost_requests_holds_up_no_other",),
        LEASE, "ORDER BY row_number() OVER (PARTITION BY x.account_id ORDER BY x.id), x.id LIMIT", "ORDER BY x.id LIMIT",
    ),
    Mutant(
        "reaped-after-a-restart", "after a restart of the database nobody is fenced for one lease",
        (LOST + "test_after_a_restart_of_the_database_nobody_is_fenced_for_one_lease",),
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
        LEASE, " OR x.admitted_at < clock_timestamp() - interval '2 hours'\n", "\n",
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
]  # fmt: skip
