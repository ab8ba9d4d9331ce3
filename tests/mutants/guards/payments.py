"""Nothing is paid, credited or taken back twice, or without being what was asked for (acceptance 23, 24, 26, 27)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PAYMENTS = "apps/billing/payments.py"
CHARGE = "apps/billing/auto_charge.py"
ASKED = "tests/payments/test_only_what_was_asked_for_is_credited.py::"
AUTO = "tests/payments/test_auto_topup_charges_once.py::"
BACK = "tests/payments/test_money_that_goes_back_is_exact.py::"

PAYMENT_GUARDS = [
    Mutant(
        "any-intent-is-good", "only what was asked for is credited",
        (ASKED + "test_another_amount_customer_or_mode_is_not_credited", ASKED + "test_another_currency_is_not_credited"),
        PAYMENTS, "if trouble := _what_is_wrong(payment, intent):", 'if trouble := "":',
    ),
    Mutant(
        "old-signatures", "a webhook's signature is refused when it is old",
        (ASKED + "test_a_bad_signature_a_stale_one_the_other_mode_and_nonsense_are_refused",),
        "apps/billing/stripe_client.py", "signature, settings.STRIPE_WEBHOOK_SECRET)", "signature, settings.STRIPE_WEBHOOK_SECRET, tolerance=10**9)",
    ),
    Mutant(
        "no-lock-at-auto-topup", "one automatic charge at a time for each account",
        (AUTO + "test_many_sweeps_at_once_make_one_charge",),
        CHARGE, "    account = lock_account(account_id)\n", "    account = AutoTopup.objects.get(pk=account_id).account\n",
    ),
    Mutant(
        "failed-and-still-payable", "what has failed cannot be paid any more",
        (AUTO + "test_declines_pause_it_after_three_and_the_owner_is_told",),
        PAYMENTS, "        stripe_client.cancel_intent(intent.id)\n", "        pass\n",
    ),
    Mutant(
        "states-go-back", "an older answer about a refund or dispute changes nothing",
        (BACK + "test_answers_older_than_what_is_known_change_nothing",),
        "apps/billing/reversals.py", "if come < _rank(kind_of, row.status) and not may_go_back:", "if False:",
    ),
    Mutant(
        "debts-without-suspension", "whoever owes is suspended",
        (BACK + "test_beyond_the_balance_it_suspends_and_a_top_up_reinstates",),
        "apps/billing/debts.py", "if debt.amount > held and account.status == AccountStatus.ACTIVE:", "if False:",
    ),
]  # fmt: skip
