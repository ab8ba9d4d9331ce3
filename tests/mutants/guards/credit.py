"""Credit is never overspent, and burns in the order promised (acceptance 1, 8, 12, 13)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ADMIT = "apps/gateway/sql/2_admit.sql"
SETTLE = "apps/gateway/sql/3_settle.sql"
HOLD = "apps/gateway/sql/1_hold.sql"
CREDIT = "apps/billing/sql/credit.sql"
MACHINE = "tests/gateway/test_ledger_state_machine.py::test_every_history_of_the_ledger_goes_as_the_model_says"
BURN = "tests/gateway/test_money_burn_order.py::"
SPENT = "tests/gateway/test_money_is_never_overspent.py::"
CROWD = "tests/gateway/test_money_under_contention.py::"

CREDIT_GUARDS = [
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
        ADMIT, "WHEN free_here * 1.0 < ceil(r.base_pico / 1000.0) THEN -1", "WHEN available < r.base_pico / 1000 THEN -1",
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
        SETTLE, "WHERE i.logged AND i.cost > i.charged", "WHERE false",
    ),
    Mutant(
        "hold-not-given-back", "settling below the hold frees the difference",
        (SPENT + "test_settling_below_the_hold_gives_the_difference_back", MACHINE),
        SETTLE, "SET held = p.held - c.held,", "SET held = p.held - c.paid,",
    ),
    Mutant(
        "release-charges", "a released request is not charged",
        (SPENT + "test_a_release_charges_nothing_and_leaves_no_trace", MACHINE),
        SETTLE, "CASE WHEN i.logged THEN least(h.amount, i.cost)", "CASE WHEN true THEN least(h.amount, i.cost)",
    ),
]  # fmt: skip
