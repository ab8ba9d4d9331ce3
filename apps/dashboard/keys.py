"""The pages of API keys: the list, and a page for each key. Whoever may see them may change them; others find nothing there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import acting_account, current_user
from apps.accounts.models import Account
from apps.api_keys.actions import KeyRevoked, regenerate_key, revoke_key
from apps.api_keys.models import ApiKey, Scope, State
from apps.api_keys.queries import IDLE, current_minutes, keys_in_state
from apps.catalog.queries import model_for_agents, model_to_try
from apps.dashboard.key_chart import spend_chart
from apps.dashboard.key_forms import LimitsForm, NewKeyForm
from apps.dashboard.snippets import first_call
from apps.usage.queries import KeyInUse, in_use, trouble_of_key

PAGE = 50
TROUBLE = 10
# Keys of an account from which on there is something to search.
WORTH_SEARCHING = 10


@dataclass(frozen=True, slots=True)
class KeyList:
    """A page of the list. `more` is the address of the next one, empty on the last."""

    rows: list[KeyInUse]
    more: str
    revoked: bool
    search: str
    searchable: bool

    @property
    def empty_account(self) -> bool:
        return not self.rows and not self.search and not self.revoked


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """The list; a POST makes a key. `?new` opens the form, `?q=` searches, `?revoked` shows those that were, `?after=` is the next page."""
    account = acting_account(request)
    if request.method == "POST":
        return _create(request, account)
    listed = key_list(request, account)
    if "HX-Request" in request.headers:
        return render(request, "dashboard/_key_rows.html" if "after" in request.GET else "dashboard/_key_list.html", {"list": listed})
    return render(request, "dashboard/keys.html", {"list": listed, "form": NewKeyForm(), "open_form": "new" in request.GET, **addresses()})


@login_required
@require_safe
def key_meters(request: HttpRequest) -> HttpResponse:
    """The current minute of the keys in `?keys=1,2,3`, to be put in place by htmx."""
    ids = [int(text) for text in request.GET.get("keys", "").split(",") if text.isdecimal() and len(text) < 19][:PAGE]
    rows = list(ApiKey.objects.filter(account=acting_account(request), pk__in=ids, revoked_at=None))
    minutes = current_minutes(row.pk for row in rows)
    return render(request, "dashboard/_key_meters.html", {"rows": [(row, minutes.get(row.pk, IDLE)) for row in rows]})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def key(request: HttpRequest, key_id: int) -> HttpResponse:
    """One key; a POST changes its name and limits, from the next request on."""
    row = key_or_404(request, key_id)
    if request.method != "POST":
        return key_page(request, row, LimitsForm(key=row))
    form = LimitsForm(request.POST, key=row)
    if not (form.is_valid() and form.save(row)):
        return key_page(request, row, form, status=422)
    messages.success(request, "Saved. It counts from the next request on.")
    return redirect("api-key", key_id)


@login_required
@require_safe
def key_minute(request: HttpRequest, key_id: int) -> HttpResponse:
    """What the key uses now, asked for again and again while its page is looked at."""
    row = key_or_404(request, key_id)
    return render(request, "dashboard/_key_minute.html", {"key": row, "minute": current_minutes([row.pk]).get(row.pk, IDLE)})


@login_required
@require_POST
def key_revoke(request: HttpRequest, key_id: int) -> HttpResponse:
    row = key_or_404(request, key_id)
    if revoke_key(row):
        messages.success(request, f"“{row.name}” is revoked. Requests with it are refused from now on.")
    return redirect("api-key", key_id)


@login_required
@require_POST
def key_regenerate(request: HttpRequest, key_id: int) -> HttpResponse:
    """The answer is the new key's page, with the key on it this once: no redirect could carry it."""
    try:
        row, secret = regenerate_key(key_or_404(request, key_id), current_user(request))
    except KeyRevoked:
        messages.error(request, "This key is revoked: create a new one instead.")
        return redirect("api-key", key_id)
    response = key_page(request, row, LimitsForm(key=row), created=created(row, secret))
    response.headers["HX-Replace-Url"] = reverse("api-key", args=[row.pk])
    return never_kept(response)


def _create(request: HttpRequest, account: Account) -> HttpResponse:
    form = NewKeyForm(request.POST)
    made = form.create(account, current_user(request)) if form.is_valid() else None
    by_htmx = "HX-Request" in request.headers
    if made is None:
        if by_htmx:
            return render(request, "dashboard/_key_form.html", {"form": form, "open_form": True}, status=422)
        return render(
            request, "dashboard/keys.html", {"list": key_list(request, account), "form": form, "open_form": True, **addresses()}, status=422
        )
    context = {"list": key_list(request, account), "form": NewKeyForm(), "created": created(*made)}
    return never_kept(
        render(
            request, "dashboard/_key_created_answer.html" if by_htmx else "dashboard/keys.html", context | ({} if by_htmx else addresses())
        )
    )


def created(row: ApiKey, secret: str) -> dict[str, object]:
    """What the page shows of a key that was just made."""
    model = model_to_try() if row.scope == Scope.INFERENCE else None
    return {
        "key": row,
        "secret": secret,
        "samples": first_call(settings.API_BASE_URL, model, secret, agent_model=model_for_agents()) if model else [],
    }


def key_list(request: HttpRequest, account: Account) -> KeyList:
    revoked, search, after = "revoked" in request.GET, request.GET.get("q", "").strip()[:100], request.GET.get("after", "")
    rows = keys_in_state(account).filter(revoked_at__isnull=not revoked)
    searchable = bool(search) or rows[WORTH_SEARCHING : WORTH_SEARCHING + 1].exists()
    if search:
        rows = searched(rows, search)
    if after.isdecimal() and len(after) < 19:
        rows = rows.filter(pk__lt=int(after))
    found = list(rows[: PAGE + 1])
    page = found[:PAGE]
    query = {**({"revoked": ""} if revoked else {}), **({"q": search} if search else {})}
    more = f"?{urlencode({**query, 'after': page[-1].pk})}" if len(found) > PAGE else ""
    return KeyList(in_use(page), more, revoked, search, searchable)


def searched(rows: QuerySet[ApiKey], search: str) -> QuerySet[ApiKey]:
    """By a part of the name, or the last characters of the key, which somebody may have pasted whole."""
    search = search.replace("\x00", "")
    return rows.filter(Q(name__icontains=search) | Q(last4=search[-4:]) if len(search) >= 4 else Q(name__icontains=search))


def key_or_404(request: HttpRequest, key_id: int) -> ApiKey:
    row = ApiKey.objects.select_related("created_by").filter(account=acting_account(request), pk=key_id).first()
    if row is None:
        raise Http404
    return row


def key_page(
    request: HttpRequest, row: ApiKey, form: LimitsForm, *, status: int = 200, created: dict[str, object] | None = None
) -> HttpResponse:
    [used] = in_use([row])
    context = {
        "used": used,
        "key": row,
        "minute": used.minute,
        "form": form,
        "active": used.state != State.REVOKED,
        "chart": spend_chart(row.pk),
        "trouble": trouble_of_key(row.pk, TROUBLE),
        "replaces": row.replaces,
        "replaced_by": ApiKey.objects.filter(replaces=row).first(),
        "created": created,
    }
    return render(request, "dashboard/key.html", context, status=status)


def addresses() -> dict[str, str]:
    """Where a key is used."""
    return {"openai_base": f"{settings.API_BASE_URL}/v1", "anthropic_base": f"{settings.API_BASE_URL}/anthropic"}


def never_kept(response: HttpResponse) -> HttpResponse:
    """For a page with a key on it: no cache, and not the browser's memory of pages, has it."""
    response.headers["Cache-Control"] = "no-store"
    return response
