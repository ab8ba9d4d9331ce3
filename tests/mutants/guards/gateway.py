"""Prices, the ledger's own guards, batches, keys and backends (acceptance 15–17, 19, 31–33, 37, 39, 43, 44)."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ADMIT = "apps/gateway/sql/2_admit.sql"
PARTITIONS = "apps/usage/sql/partitions.sql"
SPENT = "tests/gateway/test_money_is_never_overspent.py::"
GUARDED = "tests/gateway/test_money_ledger_is_guarded.py::"
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
EXCHANGE_PY = "apps/gateway/http_exchange.py"

GATEWAY_GUARDS = [
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
        "probe-empties-the-rotation", "what the probe says never takes out all backends",
        (BALANCER + "TestWhatTheProbeSays::test_does_not_take_out_all_there_are",),
        BALANCER_PY, "if b.probe_ok is not False] or standing", "if b.probe_ok is not False]",
    ),
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
        "anybody-counts", "counting tokens passes by admission, so it asks itself whether the key is in force",
        ("tests/anthropic/test_tokens_are_counted.py::test_a_key_that_is_not_in_force_counts_nothing",),
        "apps/gateway/counting.py", "        await gateway.key_states.check(call.key)\n", "",
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
        EXCHANGE_PY, "    def on_body(self, data: bytes) -> None:\n        if self._complete:\n            return\n", "    def on_body(self, data: bytes) -> None:\n",
    ),
    Mutant(
        "drips-for-ever", "a backend that sends bytes and never ends a line is given up",
        (FAULTS + "test_a_backend_that_drips_bytes_without_ever_ending_a_line_is_given_up",),
        "apps/gateway/inference.py", 'waited = 0.0 if b"\\n" in packet or b"\\r" in packet else', "waited = 0.0 if packet else",
    ),
    Mutant(
        "backend-texts-as-they-are", "a text that gives a backend's address or credentials away does not reach a client",
        (BACKENDS + "test_a_text_that_gives_something_away_is_replaced",),
        CALL_PY, "    if _UNSAFE.search(judged) or", "    if",
    ),
    Mutant(
        "no-stack-to-spare", "what is accepted is not nested too deeply for any later step",
        ("tests/gateway/test_chat_requests_name_the_wrong_field.py::test_what_is_accepted_can_be_decoded_by_callers_that_stand_deeper",),
        "apps/gateway/openai/fields.py", "SPARE_FRAMES = 50", "SPARE_FRAMES = 0",
    ),
    Mutant(
        "wrong-limit-in-the-headers", "a refusal's headers are about the limit that refused",
        (HEADERS + "TestARefusalForALimit::test_of_tokens_is_about_tokens",),
        "apps/gateway/admission.py", "    if decision.rpm is not None and decision.code != TOKENS:", "    if decision.rpm is not None:",
    ),
]  # fmt: skip
