"""What Django answers when no view did: JSON at the API's addresses, pages everywhere else."""

from __future__ import annotations

from types import ModuleType

from django.http import HttpRequest, HttpResponse

from apps.api import views as api
from apps.core.middleware import is_api_path, is_management_path
from apps.dashboard import errors as pages


def _speaker(request: HttpRequest) -> ModuleType:
    return api if is_api_path(request.path) or is_management_path(request.path) else pages


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _speaker(request).bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    return _speaker(request).server_error(request)
