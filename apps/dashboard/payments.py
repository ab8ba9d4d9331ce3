"""What the buttons of the Billing page do: top up, save cards, set the auto top-up. Each answers htmx and plain forms alike."""

from __future__ import annotations

import time
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import acting_account
from apps.accounts.models import Account
from apps.billing import auto_topup, cards, queries, topups, trial
from apps.billing.credits import balance
from apps.billing.errors import BillingError, SentBefore, explanation
from apps.billing.models import CardSetup, Payment, PaymentMethod, PaymentStatus
from apps.billing.receipts import details_of
from apps.core.client_address import ip_of
from apps.dashboard.billing import auto_top_up_card, page
from apps.dashboard.billing_forms import AutoTopUpForm, DetailsForm, TopUpForm
from apps.dashboard.transactions import transaction_list

SOME_ID = UUID(int=0)
LOOKS_PER_MINUTE = 60  # a page that waits asks every two seconds; two of them may
ONBOARDING = "onboarding"


@login_required
@require_POST
def top_up(request: HttpRequest) -> HttpResponse:
    """On to Stripe, to the bank, or to the payment's page; back to the form with what is wrong."""
    account = acting_account(request)
    form = TopUpForm(request.POST, account=account, cards=queries.cards_of(account.pk))
    if not form.is_valid():
        return _refused(request, account, form)
    back = absolute(reverse("top-up-state", args=[form.attempt_id]))
    nano, attempt = form.cleaned_data["nano"], form.attempt_id
    try:
        if form.card_id is None:
            save_card, cancel = form.cleaned_data["save_card"], absolute(reverse("billing"))
            payment = topups.start_checkout(account, nano, attempt=attempt, return_url=back, cancel_url=cancel, save_card=save_card)
        else:
            payment = topups.pay_with_card(account, nano, card_id=form.card_id, attempt=attempt, return_url=back)
    except SentBefore as error:
        return _refused_anew(request, account, form, str(error))
    except BillingError as error:
        form.add_error(None, str(error))
        return _refused(request, account, form)
    except ValidationError as error:
        form.add_error(None, error.messages[0])
        return _refused(request, account, form)
    except (Payment.DoesNotExist, PaymentMethod.DoesNotExist):
        raise Http404 from None
    if payment.status == PaymentStatus.FAILED:
        return _refused_anew(request, account, form, explanation(payment.failure_code))
    return leave(request, payment.action_url or reverse("top-up-state", args=[payment.pk]))


def _refused_anew(request: HttpRequest, account: Account, form: TopUpForm, reason: str) -> HttpResponse:
    """With the same choices; sent again, it is another payment."""
    form = form.with_new_attempt()
    form.is_valid()
    form.add_error(None, reason)
    return _refused(request, account, form)


def _refused(request: HttpRequest, account: Account, form: TopUpForm) -> HttpResponse:
    if "HX-Request" in request.headers:
        return render(request, "billing/_top_up.html", {"top_up": form, "open_top_up": True}, status=422)
    context = page(request, account) | {"top_up": form, "open_top_up": True, "list": transaction_list(request, account.pk)}
    return render(request, "billing/page.html", context, status=422)


@login_required
@require_safe
def top_up_state(request: HttpRequest, attempt: UUID) -> HttpResponse:
    """Where the browser comes back to, and what it asks while the bank has not answered."""
    account = acting_account(request)
    try:
        payment = topups.look_again(account, attempt) if may_ask_stripe(account) else Payment.objects.get(pk=attempt, account=account)
    except Payment.DoesNotExist:
        raise Http404 from None
    context = {
        "payment": payment,
        "reason": explanation(payment.failure_code),
        "balance": balance(account.pk).remaining,
        "receipt": getattr(payment, "receipt", None),
        "status": PaymentStatus(payment.status).name,
    }
    return render(request, "billing/_top_up_state.html" if "HX-Request" in request.headers else "billing/top_up_state.html", context)


@login_required
@require_POST
def add_card(request: HttpRequest) -> HttpResponse:
    """To Stripe's page. `replaces`: the card whose place the new one takes. `from`: where to come back to."""
    account, wanted = acting_account(request), request.POST.get("replaces", "")
    onboarding = request.POST.get("from") == ONBOARDING
    home = reverse(ONBOARDING if onboarding else "billing")
    back = absolute(reverse("card-added", args=[SOME_ID])).replace(str(SOME_ID), "{setup}") + (f"?from={ONBOARDING}" if onboarding else "")
    replaces = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else None
    try:
        address = cards.start_setup(account, return_url=back, cancel_url=absolute(home), address=ip_of(request), replaces=replaces)
    except BillingError as error:
        messages.error(request, str(error))
        return redirect(home)
    except PaymentMethod.DoesNotExist:
        raise Http404 from None
    return leave(request, address)


@login_required
@require_safe
def card_added(request: HttpRequest, setup: UUID) -> HttpResponse:
    """Stripe's page leads here."""
    account = acting_account(request)
    try:
        card = cards.look_again(account, setup) if may_ask_stripe(account) else None
    except CardSetup.DoesNotExist:
        raise Http404 from None
    if card is None:
        messages.warning(request, "No card has arrived yet. If you entered one, it appears here within a minute.")
    else:
        before = trial.trial_of(account)
        granted = trial.grant_due_trial(account)
        messages.success(request, f"{card} is saved. Nothing was charged.")
        if granted is not None and granted.pool is not None and (before is None or before.pool is None):
            messages.success(request, "Your trial credit is there.")
    return redirect(ONBOARDING if request.GET.get("from") == ONBOARDING else "billing")


@login_required
@require_POST
def default_card(request: HttpRequest, card_id: int) -> HttpResponse:
    try:
        cards.make_default(acting_account(request), card_id)
    except PaymentMethod.DoesNotExist:
        raise Http404 from None
    messages.success(request, "Auto top-up and new top-ups use this card now.")
    return redirect("billing")


@login_required
@require_POST
def remove_card(request: HttpRequest, card_id: int) -> HttpResponse:
    try:
        cards.remove(acting_account(request), card_id)
    except PaymentMethod.DoesNotExist:
        raise Http404 from None
    messages.success(request, "The card is removed.")
    return redirect("billing")


@login_required
@require_POST
def save_auto_top_up(request: HttpRequest) -> HttpResponse:
    account = acting_account(request)
    state, by_htmx = auto_topup.state_of(account.pk), "HX-Request" in request.headers
    form = AutoTopUpForm(request.POST, state=state)
    if not (form.is_valid() and form.save(account)):
        if by_htmx:
            context = auto_top_up_card(state, queries.cards_of(account.pk)) | {"auto_form": form}
            return render(request, "billing/_auto_top_up.html", context, status=422)
        context = page(request, account) | {"auto_form": form, "list": transaction_list(request, account.pk)}
        return render(request, "billing/page.html", context, status=422)
    messages.success(request, "Auto top-up is on." if form.cleaned_data["enabled"] else "Auto top-up is off.")
    if by_htmx:
        return render(request, "billing/_auto_top_up.html", auto_top_up_card(auto_topup.state_of(account.pk), queries.cards_of(account.pk)))
    return redirect("billing")


@login_required
@require_POST
def resume_auto_top_up(request: HttpRequest) -> HttpResponse:
    auto_topup.resume(acting_account(request))
    messages.success(request, "Auto top-up goes on.")
    return redirect("billing")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def billing_details(request: HttpRequest) -> HttpResponse:
    """Whom receipts are made out to."""
    account = acting_account(request)
    form = DetailsForm(request.POST if request.method == "POST" else None, instance=details_of(account))
    if request.method == "POST" and form.is_valid() and form.save_for(account):
        messages.success(request, "Saved. It stands on receipts from now on.")
        return redirect("billing")
    return render(request, "billing/details.html", {"form": form}, status=422 if form.errors else 200)


def may_ask_stripe(account: Account) -> bool:
    """Whether a page of this account may ask once more in this minute. Stripe bounds what the whole platform asks: no one customer
    may use that up by asking a page again and again. What Stripe then says comes by webhook, or by the sweep."""
    key = f"looks-at-stripe:{account.pk}:{int(time.time()) // 60}"
    if cache.add(key, 1, 120):
        return True
    try:
        return cache.incr(key) <= LOOKS_PER_MINUTE
    except ValueError:
        return True  # what was counted is lost: Valkey went away, or came back, just now


def absolute(path: str) -> str:
    return f"{settings.BASE_URL}{path}"


def leave(request: HttpRequest, address: str) -> HttpResponse:
    """Send the browser to `address`, also when htmx asked: it would fetch a redirect's target itself."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)
