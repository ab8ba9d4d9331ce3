"""Pages for tests of sessions: use with `@pytest.mark.urls("tests.accounts.pages")`."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone

from apps.accounts.access import acting_account


def whoami(request: HttpRequest) -> JsonResponse:
    user = request.user
    return JsonResponse(
        {
            "email": user.email if user.is_authenticated else None,
            "account": acting_account(request).pk if user.is_authenticated else None,
            "template account": request.account.pk if request.account else None,  # type: ignore[attr-defined]
            "time zone": timezone.get_current_timezone_name(),
        }
    )


def remember(request: HttpRequest) -> HttpResponse:
    request.session["note"] = request.GET["note"]
    return HttpResponse(status=204)


@login_required
def members_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse(acting_account(request).name)


async def whoami_async(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"email": user.email if user.is_authenticated else None})


urlpatterns = [
    path("whoami", whoami),
    path("whoami/async", whoami_async),
    path("remember", remember),
    path("members", members_only),
    path("accounts/login/", whoami, name="account_login"),
]
