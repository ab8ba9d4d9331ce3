"""Limits are exact (acceptance 17–20)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ADMIT = "apps/gateway/sql/2_admit.sql"
SPENDING = "apps/gateway/sql/1_spend.sql"
LIMITER = "apps/api_keys/sql/limiter.sql"
MACHINE = "tests/gateway/test_ledger_state_machine.py::test_every_history_of_the_ledger_goes_as_the_model_says"
CROWD = "tests/gateway/test_money_under_contention.py::"
EXACT = "tests/gateway/test_limits_are_exact.py::"
SLIDE = "tests/gateway/test_limits_slide.py::"
SPEND = "tests/gateway/test_spend_limits_are_exact.py::"
EDITED = "tests/gateway/test_limits_of_an_edited_key.py::"

LIMIT_GUARDS = [
    Mutant(
        "no-request-limit", "requests a minute are limited",
        (EXACT + "test_exactly_as_many_are_admitted_as_the_limit_says", CROWD + "test_limits_hold_exactly_across_processes_that_ask_at_the_same_time", MACHINE),
        ADMIT, "ELSIF k.rpm IS NOT NULL AND l.requests_in_window + newly >= k.rpm THEN", "ELSIF k.rpm IS NOT NULL AND l.requests_in_window + newly > k.rpm THEN",
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
        LIMITER, "    l.tokens_in_window := l.tokens_in_window + correction;\n", "",
    ),
    Mutant(
        "correction-in-a-foreign-second", "a late correction does not touch the second that has taken over its slot",
        (SLIDE + "test_what_a_long_request_used_beyond_its_reserve_counts_when_it_ends",),
        LIMITER, "IF admitted_seconds[i] BETWEEN l.second - 60 AND l.second THEN", "IF true THEN",
    ),
    Mutant(
        "late-tokens-forgotten", "what a long request used beyond its reserve counts when it ends",
        (SLIDE + "test_what_a_long_request_used_beyond_its_reserve_counts_when_it_ends",),
        LIMITER, "correction := greatest(corrections[i], 0);", "correction := 0;",
    ),
    Mutant(
        "no-reserve-cap", "a request larger than the token limit can run alone",
        (EXACT + "test_a_request_larger_than_the_token_limit_can_run_alone", MACHINE),
        ADMIT, "reserve := least(r.tpm_tokens, k.tpm);", "reserve := r.tpm_tokens;",
    ),
    Mutant(
        "slot-not-freed", "a slot comes back when its request ends",
        (EXACT + "test_a_slot_comes_back_when_its_request_ends", MACHINE),
        LIMITER, "  l.open := greatest(0, l.open - ended);\n", "",
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
        "code := 7; output_granted := greatest(output_granted, 0); IF key IS NOT NULL THEN newly := newly + 1; limiter_changed := true; END IF;",
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
        ADMIT, "k.account_id <> r.account_id OR k.revoked_at IS NOT NULL)", "k.account_id <> r.account_id)",
    ),
    Mutant(
        "management-key-calls-models", "a key for the management API cannot call models",
        (EDITED + "test_a_change_counts_from_the_next_request_on_in_every_process",),
        ADMIT, "    ELSIF k.scope <> 1 THEN code := 10;\n", "",
    ),
    Mutant(
        "expired-key-works", "an expired key is refused from its moment on",
        (EDITED + "test_a_key_expires_at_its_moment_by_the_clock_of_the_database",),
        ADMIT, "    ELSIF k.expires_at <= at THEN code := 2;\n", "",
    ),
    Mutant(
        "foreign-key-pays", "a key pays only from its own account",
        (EDITED + "test_a_key_pays_only_from_its_own_account", MACHINE),
        ADMIT, "k.account_id <> r.account_id OR ", "",
    ),
    Mutant(
        "suspended-account-works", "a suspended account is refused",
        (EDITED + "test_a_change_counts_from_the_next_request_on_in_every_process", MACHINE),
        ADMIT, "    ELSIF account_status <> 1 THEN code := 3;\n", "",
    ),
    Mutant(
        "no-spend-limit", "what a key may spend is limited",
        (SPEND + "test_exactly_as_much_is_admitted_as_the_limit_says", SPEND + "test_two_processes_that_ask_at_once_admit_no_more"),
        ADMIT, "free_here := least(available, spend_left);", "free_here := available;",
    ),
    Mutant(
        "open-requests-spend-nothing", "what open requests hold counts against the spend limit",
        (SPEND + "test_exactly_as_much_is_admitted_as_the_limit_says", SPEND + "test_two_processes_that_ask_at_once_admit_no_more"),
        ADMIT, "          newly_spent := newly_spent + need;\n", "",
    ),
    Mutant(
        "spend-not-counted", "what a key was charged counts against its spend limit",
        (SPEND + "test_what_was_not_spent_comes_back_and_what_was_spent_does_not",),
        SPENDING, "  s.spent_day := s.spent_day + charged;\n", "",
    ),
    Mutant(
        "spend-held-for-ever", "what a request held of the spend limit comes back when it ends",
        (SPEND + "test_what_was_not_spent_comes_back_and_what_was_spent_does_not",),
        SPENDING, "  s.held := s.held - ended;\n", "",
    ),
    Mutant(
        "spend-of-before-forgotten", "a spend limit counts what was spent before it was set",
        (SPEND + "test_a_limit_that_is_set_later_counts_what_was_spent_before",),
        SPENDING, "FROM usage_of_keys(ARRAY[key], at) u;", "FROM usage_of_keys('{}', at) u;",
    ),
    Mutant(
        "the-day-never-ends", "a spend limit begins anew with the day",
        (SPEND + "test_a_refusal_says_when_the_limit_begins_anew_and_then_it_does",),
        SPENDING, "IF today > s.day THEN s.day := today; s.spent_day := 0; END IF;", "",
    ),
]  # fmt: skip
