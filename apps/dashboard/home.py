"""`/dashboard`: the checklist while an account is new, the overview from then on."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import acting_account, current_user
from apps.accounts.models import Account, AccountStatus
from apps.accounts.viewing import viewing_of
from apps.api_keys.actions import create_key
from apps.api_keys.models import ApiKey
from apps.catalog.queries import BUILT_IN_MODEL, model_for_agents, model_to_try
from apps.dashboard.key_forms import SENSIBLE
from apps.dashboard.keys import never_kept
from apps.dashboard.log_page import LogPage
from apps.dashboard.overview import overview_of
from apps.dashboard.progress import Progress, is_new, look_for_call, progress_of, skip
from apps.dashboard.snippets import PROMPT, first_call
from apps.dashboard.usage_page import zone_of

FIRST_KEY = "my-first-key"
ASSISTANT_PROMPT = "What does a refused request cost?"
# How long to wait before asking again whether a call came in: (asked so often, seconds). After an hour nobody asks any more.
PACE = ((60, 2), (156, 5), (356, 15))


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    account = acting_account(request)
    if is_new(account) and viewing_of(request) is None:  # the checklist grants trial credit and remembers: not for who only looks
        progress = progress_of(account)
        if progress.first_call_at is None:
            return checklist(request, progress)
    return overview(request, account)


@login_required
@require_safe
def onboarding(request: HttpRequest) -> HttpResponse:
    """The checklist, however far the account has come: also for who skipped it."""
    return checklist(request, progress_of(acting_account(request)))


@login_required
@require_POST
def skip_onboarding(request: HttpRequest) -> HttpResponse:
    skip(acting_account(request))
    return redirect("dashboard")


@login_required
@require_POST
def first_key(request: HttpRequest) -> HttpResponse:
    """Makes a key and fills it into the snippets of the answer, this once: no redirect could carry it."""
    account = acting_account(request)
    row, secret = create_key(account, FIRST_KEY, SENSIBLE, created_by=current_user(request))
    return never_kept(checklist(request, progress_of(account), row, secret))


@login_required
@require_safe
def first_call_arrived(request: HttpRequest) -> HttpResponse:
    """Asked by the checklist while it waits: the next question, or what came in. Cheap, and asked ever less often."""
    asked = request.GET.get("asked", "")
    number = int(asked) + 1 if asked.isdecimal() and len(asked) < 6 else 1
    state, call, trouble = look_for_call(acting_account(request))
    if state.first_call_at is None:
        pause = next((seconds for bound, seconds in PACE if number < bound), None)
        return render(request, "dashboard/_waiting.html", {"asked": number, "pause": pause, "trouble": trouble})
    return render(
        request, "dashboard/_arrived.html", {"progress": progress_of(acting_account(request)), "call": call, "oob": True, **ways_on()}
    )


def checklist(request: HttpRequest, progress: Progress, key: ApiKey | None = None, secret: str | None = None) -> HttpResponse:
    model = model_to_try()
    prompt = ASSISTANT_PROMPT if model == BUILT_IN_MODEL else PROMPT
    context = {
        "progress": progress,
        "call": progress.call,
        "key": key or progress.key,
        "secret": secret,
        "first_key": FIRST_KEY,
        "model": model,
        "samples": first_call(settings.API_BASE_URL, model, secret, prompt, agent_model=model_for_agents()) if model else [],
        "asked": 0,
        "pause": PACE[0][1],
        "trouble": progress.trouble,
        **ways_on(),
    }
    template = "dashboard/_checklist.html" if "HX-Request" in request.headers else "dashboard/onboarding.html"
    return render(request, template, context)


def overview(request: HttpRequest, account: Account) -> HttpResponse:
    zone = zone_of(request)
    seen = overview_of(account, zone)
    resumable = viewing_of(request) is None and is_unfinished(account)
    context = {
        "seen": seen,
        "last": LogPage(seen.inferences, "", None),
        "zone": zone.key,
        "resumable": resumable,
        "suspended": account.status == AccountStatus.SUSPENDED,
    }
    return render(request, "dashboard/overview.html", context)


def is_unfinished(account: Account) -> bool:
    """Whether the checklist was skipped before its end."""
    state, _, _ = look_for_call(account)
    return state.first_call_at is None


def ways_on() -> dict[str, str]:
    """Addresses of pages that may not exist in this release; empty where they do not."""
    return {name: address_of(route) for name, route in (("playground_url", "playground"), ("inferences_url", "inferences"))}


def address_of(route: str) -> str:
    try:
        return reverse(route)
    except NoReverseMatch:
        return ""
