"""Admission: may this request run? One call of the database function `gateway_admit` decides for all that wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from apps.core.batching import Batcher
from apps.core.batching import Unavailable as LinkUnavailable
from apps.core.money import display_usd
from apps.gateway import wire
from apps.gateway.database import BUSY, Link, OutcomeUnknown
from apps.gateway.errors import ApiError, Forbidden, Header, InsufficientCredits, InternalError, RateLimited, Unauthorized, Unavailable
from apps.gateway.prepared import Prepared

# Codes of gateway_admit (apps/gateway/sql/2_admit.sql).
ADMITTED, KEY_REFUSED, KEY_EXPIRED, SUSPENDED, REQUESTS, TOKENS, CONCURRENCY, CREDIT = range(8)
FENCED, WRONG_SCOPE, SPENT_DAY, SPENT_MONTH = 9, 10, 11, 12

ADMIT = Prepared(
    "gateway_admit",
    """SELECT item, code, output_granted, available, rpm, rpm_left, tpm, tpm_left, max_concurrent, resets_at, retry_after, keeps FROM gateway_admit(
  $1::bigint, $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::bigint[], $10::bigint[], $11::bigint[],
  $12::smallint[], $13::boolean[], $14::boolean)""",
    14,
)

# How long a request waits for its account's lock or for Postgres before it is sent away with 503.
PATIENCE_S = 5.0


class AdmissionRequest(Struct, gc=False):
    """Prices in pico-USD: `base_pico` for the prompt estimate and the request, `output_pico` for one output token of all choices.

    `output_wanted` tokens are held for as far as the credit goes; `output_least` must be affordable. `tpm_tokens` are reserved."""

    id: UUID
    account_id: int
    key_id: int | None
    base_pico: int
    output_pico: int
    output_wanted: int
    output_least: int
    tpm_tokens: int
    model_id: int
    price_id: int
    dialect: int
    streamed: bool


class Decision(Struct, gc=False):
    """What gateway_admit said of one request. Limits are None where the key has none; `available` in nano-USD; `keeps`: the account keeps
    prompts and answers."""

    code: int
    output_granted: int
    available: int
    rpm: int | None
    rpm_left: int | None
    tpm: int | None
    tpm_left: int | None
    max_concurrent: int | None
    resets_at: int
    retry_after: int
    keeps: bool = False


class Admission:
    """The queue in front of `gateway_admit`. `release` gives back what a request got whose caller has gone away; `closed` says why
    nothing may be admitted now, if so."""

    def __init__(
        self, process_id: Callable[[], int], release: Callable[[AdmissionRequest], None], closed: Callable[[], str] = lambda: ""
    ) -> None:
        self._process_id = process_id
        self._release = release
        self._closed = closed
        self._link = Link("admission", asynchronous_commit=True)
        self._batcher = Batcher[AdmissionRequest, Decision](
            "admission",
            self._call,
            patience_s=PATIENCE_S,
            orphaned=lambda item, decision: release(item) if decision.code == ADMITTED else None,
        )

    async def start(self) -> None:
        await self._link.open()
        self._batcher.start()

    async def stop(self) -> None:
        self._link.abort()
        await self._batcher.stop()
        await self._link.close()

    @property
    def waiting(self) -> int:
        """Requests that wait to be sent to Postgres."""
        return len(self._batcher)

    async def admit(self, request: AdmissionRequest) -> Decision:
        """Raises the ApiError that tells the client why not."""
        try:
            decision = await self._batcher.submit(request)
        except LinkUnavailable:
            raise Unavailable(
                "The platform is busy or restarting. Nothing was charged; try again.", headers=[(b"retry-after", b"2")]
            ) from None
        if decision.code != ADMITTED:
            raise refusal(decision, request)
        return decision

    async def _call(self, items: list[AdmissionRequest]) -> list[Decision | None]:
        if reason := self._closed():
            raise LinkUnavailable(reason)
        try:
            return await self._decide(items)
        except OutcomeUnknown:
            # The connection may have been dead for long, so once more; the same ids are not admitted twice.
            try:
                return await self._decide(items)
            except LinkUnavailable:
                # Their callers are told no, so whatever was granted goes back; releasing what is not there does nothing.
                for item in items:
                    self._release(item)
                raise

    async def _decide(self, items: list[AdmissionRequest]) -> list[Decision | None]:
        rows = await self._link.batch(
            ADMIT,
            (
                wire.bigint(self._process_id()),
                wire.uuids([i.id for i in items]),
                wire.bigints([i.account_id for i in items]),
                wire.bigints([i.key_id for i in items]),
                wire.bigints([i.base_pico for i in items]),
                wire.bigints([i.output_pico for i in items]),
                wire.integers([i.output_wanted for i in items]),
                wire.integers([i.output_least for i in items]),
                wire.bigints([i.tpm_tokens for i in items]),
                wire.bigints([i.model_id for i in items]),
                wire.bigints([i.price_id for i in items]),
                wire.smallints([i.dialect for i in items]),
                wire.booleans([i.streamed for i in items]),
            ),
        )
        decisions: list[Decision | None] = [None] * len(items)
        for row in rows:
            decision = Decision(*row[1:])
            if decision.code == FENCED:
                raise LinkUnavailable("this process was fenced off and registers anew")
            decisions[row[0] - 1] = None if decision.code == BUSY else decision
        return decisions


def limit_headers(decision: Decision) -> list[Header]:
    """`X-RateLimit-*` for requests a minute, and the family for requests and tokens; none for a limit the key does not have.

    Reset is the Unix second at which the whole limit is free again; on a refusal, the second at which to try again."""
    headers: list[Header] = []
    reset = b"%d" % decision.resets_at
    if decision.rpm is not None and decision.code != TOKENS:
        _limit(headers, b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset", decision.rpm, decision.rpm_left or 0, reset)
    if decision.code == TOKENS and decision.tpm is not None:
        _limit(headers, b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset", decision.tpm, decision.tpm_left or 0, reset)
    if decision.rpm is not None:
        _limit(
            headers,
            b"x-ratelimit-limit-requests",
            b"x-ratelimit-remaining-requests",
            b"x-ratelimit-reset-requests",
            decision.rpm,
            decision.rpm_left or 0,
            reset,
        )
    if decision.tpm is not None:
        _limit(
            headers,
            b"x-ratelimit-limit-tokens",
            b"x-ratelimit-remaining-tokens",
            b"x-ratelimit-reset-tokens",
            decision.tpm,
            decision.tpm_left or 0,
            reset,
        )
    return headers


def _limit(headers: list[Header], limit_name: bytes, left_name: bytes, reset_name: bytes, limit: int, left: int, reset: bytes) -> None:
    headers += ((limit_name, b"%d" % limit), (left_name, b"%d" % left), (reset_name, reset))


def key_refusal(code: int) -> ApiError:
    """The error of a key that may not be used: KEY_REFUSED, KEY_EXPIRED, SUSPENDED or WRONG_SCOPE."""
    if code == WRONG_SCOPE:
        return Forbidden(
            "This key is for the management API and cannot call models. Create a key for inference under Settings → API Keys.",
            code="wrong_key_scope",
        )
    if code == KEY_EXPIRED:
        return Unauthorized("This API key has expired. Create a new one under Settings → API Keys.", code="expired_api_key")
    if code == SUSPENDED:
        return Forbidden(
            "This account is suspended. If it owes money, a top-up under Settings → Billing lifts that; otherwise write to support.",
            code="account_suspended",
        )
    return Unauthorized("This API key does not exist or was revoked. Create one under Settings → API Keys.")


def refusal(decision: Decision, request: AdmissionRequest) -> ApiError:
    """The error of a decision that is not ADMITTED."""
    code = decision.code
    if code in (KEY_REFUSED, KEY_EXPIRED, SUSPENDED, WRONG_SCOPE):
        return key_refusal(code)
    if code == CREDIT:
        return _insufficient(decision, request)
    headers = [(b"retry-after", b"%d" % max(1, decision.retry_after)), *limit_headers(decision)]
    if code in (SPENT_DAY, SPENT_MONTH):
        return _spent(decision, headers)
    if code == REQUESTS:
        return RateLimited(f"This API key allows {decision.rpm} requests a minute. Try again in {decision.retry_after} s.", headers=headers)
    if code == TOKENS:
        return RateLimited(
            f"This API key allows {decision.tpm} tokens a minute; this request reserves {min(request.tpm_tokens, decision.tpm or 0)} and {decision.tpm_left} are left. "
            f"Try again in {decision.retry_after} s, or with a smaller max_tokens.",
            code="token_limit_exceeded",
            headers=headers,
        )
    if code == CONCURRENCY:
        if decision.max_concurrent is not None:
            headers = [h for h in headers if h[0] not in (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset")]
            _limit(
                headers,
                b"x-ratelimit-limit",
                b"x-ratelimit-remaining",
                b"x-ratelimit-reset",
                decision.max_concurrent,
                0,
                b"%d" % decision.resets_at,
            )
        return RateLimited(
            f"This API key allows {decision.max_concurrent} requests at a time. Try again when one has ended.",
            code="concurrency_limit_exceeded",
            headers=headers,
        )
    return InternalError("The platform could not decide about this request. Nothing was charged.")


def _spent(decision: Decision, headers: list[Header]) -> InsufficientCredits:
    period, begins = ("day", "midnight") if decision.code == SPENT_DAY else ("month", "the first of the month")
    moment = datetime.fromtimestamp(decision.resets_at, UTC)
    return InsufficientCredits(
        f"This API key's spend limit for the {period} has {display_usd(decision.available)} left, which does not cover this request. "
        f"It begins anew at {begins}, UTC: {moment:%Y-%m-%dT%H:%M:%SZ}. Raise it under Settings → API Keys, or ask for less.",
        code=f"{period}_spend_limit_exceeded",
        headers=headers,
    )


def _insufficient(decision: Decision, request: AdmissionRequest) -> InsufficientCredits:
    balance = f"Your free balance is {display_usd(decision.available)}"
    headers = limit_headers(decision)
    if request.output_least > 1 and decision.output_granted > 0:
        return InsufficientCredits(
            f"{balance}, which affords max_tokens up to {decision.output_granted} for this request; it asks for {request.output_least}. "
            "Lower max_tokens or add credit under Settings → Billing.",
            param="max_tokens",
            headers=headers,
        )
    return InsufficientCredits(f"{balance}, which does not cover this request. Add credit under Settings → Billing.", headers=headers)
