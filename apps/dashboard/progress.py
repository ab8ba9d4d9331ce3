"""How far a new account has come: the checklist behind `/dashboard` while it is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Now

from apps.accounts.models import Account
from apps.accounts.queries import verified_email
from apps.api_keys.models import ApiKey, Scope
from apps.api_keys.queries import usable_keys_of
from apps.billing.credits import balance
from apps.billing.models import Trial
from apps.billing.payment_step import PaymentStep, payment_step
from apps.billing.trial import card_was_used_elsewhere, grant_due_trial
from apps.dashboard.models import Onboarding
from apps.usage.models import Inference, Status
from apps.usage.queries import last_inferences_with_key

# A page that waits for the first call looks at so many of the newest ones.
LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is the part of the page it is told in; `done` may also mean that nothing is to be done."""

    name: str
    title: str
    done: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """`email`: verified. `trial`: None where none was promised. `key`: the newest that can call models. `call`: the first completed
    request that is known, `trouble`: while there is none, the newest that came and failed. `card_used`: the card that is there brought
    another account its trial credit."""

    email: str | None
    payment: PaymentStep
    trial: Trial | None
    card_used: bool
    balance: int
    key: ApiKey | None
    call: Inference | None
    trouble: Inference | None
    first_call_at: datetime | None

    @property
    def steps(self) -> Sequence[Step]:
        return (
            Step("email", "Verify your email", self.email is not None),
            Step("payment", "Add a payment method", self.payment.satisfied),
            Step("credit", "Receive trial credit", self.balance > 0 or (self.trial is not None and self.trial.pool is not None)),
            Step("key", "Create an API key", self.key is not None),
            Step("call", "Call a model", self.first_call_at is not None),
        )

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def done_in_words(self) -> str:
        return ("None", "One", "Two", "Three", "Four", "Five")[self.done]

    @property
    def current(self) -> str:
        """The name of the step to do now; empty when all are done."""
        return next((step.name for step in self.steps if not step.done), "")


def progress_of(account: Account) -> Progress:
    """Reads it all, and grants the trial credit if that has become due."""
    trial = grant_due_trial(account)
    state, call, trouble = look_for_call(account)
    return Progress(
        email=verified_email(account),
        payment=payment_step(account.pk),
        trial=trial,
        card_used=card_was_used_elsewhere(account),
        balance=balance(account.pk).remaining,
        key=usable_keys_of(account).filter(scope=Scope.INFERENCE).first(),
        call=call,
        trouble=trouble,
        first_call_at=state.first_call_at,
    )


def look_for_call(account: Account) -> tuple[Onboarding, Inference | None, Inference | None]:
    """The account's state, a completed call and a failed one, as Progress has them. Remembers the first completed call."""
    state, _ = Onboarding.objects.get_or_create(account=account)
    if state.first_call_at is not None:
        return state, None, None
    newest = last_inferences_with_key(account.pk, LOOKED_AT)
    call = next((row for row in newest if row.status == Status.COMPLETED), None)
    if call is not None:
        state.first_call_at = call.admitted_at
        state.save(update_fields=["first_call_at"])
        return state, call, None
    return state, None, newest[0] if newest else None


def is_new(account: Account) -> bool:
    """Whether the checklist is what this account needs to see: it was neither finished nor skipped."""
    state = Onboarding.objects.filter(account=account).first()
    return state is None or (state.first_call_at is None and state.skipped_at is None)


def skip(account: Account) -> None:
    Onboarding.objects.update_or_create(account=account, defaults={"skipped_at": Now()})
