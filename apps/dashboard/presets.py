"""The pages of presets: the list, a page that shows one (the link to share within the account), its form, export and import."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import acting_account
from apps.core.code_samples import Sample
from apps.dashboard.preset_forms import ImportForm, PresetForm, pretty
from apps.gateway.errors import BadRequest
from apps.gateway.preset_check import document_of, read_document
from apps.presets import actions
from apps.presets.models import Preset
from apps.presets.queries import preset_of, presets_of, versions_of

MAX_FILE = 1024 * 1024
SUMMARY = 4  # parameters on a card


@dataclass(frozen=True, slots=True)
class Card:
    """A preset in the list: its first parameters as text, and how many more there are."""

    row: Preset
    parameters: list[tuple[str, str]]
    more: int
    link: str


@login_required
@require_safe
def presets(request: HttpRequest) -> HttpResponse:
    return _list(request)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_preset(request: HttpRequest) -> HttpResponse:
    """An empty form; a POST makes the preset."""
    return _form(request, None)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The form of a preset; a POST changes it, from the next request on."""
    return _form(request, _preset(request, slug))


@login_required
@require_safe
def preset(request: HttpRequest, slug: str) -> HttpResponse:
    """What a preset says and how it is used, for every member of the account."""
    row = _preset(request, slug)
    context = {
        "preset": row,
        "parameters": pretty(row.parameters),
        "link": _link(row),
        "samples": samples(settings.API_BASE_URL, row.slug),
        "versions": [(kept, pretty(kept.parameters)) for kept in versions_of(row)],
    }
    return render(request, "dashboard/preset.html", context)


@login_required
@require_POST
def duplicate(request: HttpRequest, slug: str) -> HttpResponse:
    """The copy's form."""
    try:
        copy = actions.duplicate_preset(_preset(request, slug))
    except ValidationError as error:
        return _refused(request, error, slug)
    messages.success(request, f"“{copy.name}” is a copy with a slug of its own.")
    return redirect("edit-preset", copy.slug)


@login_required
@require_POST
def make_default(request: HttpRequest, slug: str) -> HttpResponse:
    """The account's default, or no longer where it was."""
    row = _preset(request, slug)
    try:
        row = actions.edit_preset(row, {"is_default": not row.is_default})
    except ValidationError as error:
        return _refused(request, error, slug)
    messages.success(request, f"“{row.name}” is {'now' if row.is_default else 'no longer'} the default.")
    return redirect("presets")


@login_required
@require_POST
def restore(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    try:
        row = actions.restore_version(_preset(request, slug), version)
    except ValidationError as error:
        return _refused(request, error, slug)
    messages.success(request, f"Version {version} is in force again, as version {row.version}.")
    return redirect("preset", slug)


@login_required
@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    row = _preset(request, slug)
    actions.delete_preset(row)
    messages.success(request, f"“{row.name}” is deleted. Requests that name it are refused from now on.")
    return redirect("presets")


@login_required
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponse:
    """The preset as a file that an import takes, here or elsewhere."""
    headers = {"Content-Disposition": f'attachment; filename="{slug}.preset.json"', "Cache-Control": "no-store"}
    return HttpResponse(document_of(_preset(request, slug)), content_type="application/json", headers=headers)


@login_required
@require_POST
def import_preset(request: HttpRequest) -> HttpResponse:
    """A preset out of a file or its text. Where its slug is taken it gets another one."""
    form = ImportForm(request.POST, request.FILES)
    if form.is_valid():
        file = form.cleaned_data["file"]
        body = file.read(MAX_FILE + 1) if file else form.cleaned_data["text"].encode()
        try:
            if not body.strip() or len(body) > MAX_FILE:
                raise BadRequest("Choose a file that an export gave, or paste its text.")
            row = _imported(request, read_document(body))
        except BadRequest as error:
            form.add_error(None, error.message)
        except ValidationError as error:
            form.add_error(None, [f"{text[0].upper()}{text[1:]}." for text in error.messages])
        else:
            messages.success(request, f"“{row.name}” is here, as {row.slug}.")
            return redirect("preset", row.slug)
    return _list(request, form, status=422)


def _imported(request: HttpRequest, wanted: actions.NewPreset) -> Preset:
    account = acting_account(request)
    try:
        return actions.create_preset(account, wanted)
    except actions.SlugTaken:
        return actions.create_preset(account, replace(wanted, slug=""))


def _list(request: HttpRequest, form: ImportForm | None = None, *, status: int = 200) -> HttpResponse:
    cards = [_card(row) for row in presets_of(acting_account(request))]
    return render(
        request, "dashboard/presets.html", {"cards": cards, "form": form or ImportForm(), "open_import": form is not None}, status=status
    )


def _form(request: HttpRequest, row: Preset | None) -> HttpResponse:
    form = PresetForm(request.POST if request.method == "POST" else None, row=row)
    saved = form.save(acting_account(request)) if form.is_valid() else None
    if saved is None:
        return render(request, "dashboard/preset_form.html", {"form": form, "preset": row}, status=422 if form.is_bound else 200)
    messages.success(request, "Saved. It counts from the next request on." if row else f"Requests can now name it as {saved.slug}.")
    return redirect("preset", saved.slug)


def _refused(request: HttpRequest, error: ValidationError, slug: str) -> HttpResponse:
    text = error.messages[0]
    messages.error(request, f"{text[0].upper()}{text[1:]}.")
    return redirect("presets" if isinstance(error, actions.Gone) else "preset", *([] if isinstance(error, actions.Gone) else [slug]))


def _preset(request: HttpRequest, slug: str) -> Preset:
    row = preset_of(acting_account(request), slug)
    if row is None:
        raise Http404
    return row


def _card(row: Preset) -> Card:
    fields = row.fields
    told = [(name, _short(value)) for name, value in list(fields.items())[:SUMMARY]]
    return Card(row, told, max(0, len(fields) - SUMMARY), _link(row))


def _link(row: Preset) -> str:
    """The address that members of the account open a preset by."""
    return f"{settings.BASE_URL}{reverse('preset', args=[row.slug])}"


def _short(value: Any) -> str:
    """A parameter's value in a few characters."""
    if isinstance(value, dict):
        return str(value.get("type", "…"))
    if isinstance(value, list):
        return str(len(value))
    return msgspec.json.encode(value).decode()[:24]


def samples(api_base: str, slug: str) -> list[Sample]:
    """A request that names the preset, in each dialect."""
    said = '"messages": [{"role": "user", "content": "Hello"}]'
    openai = f"""\
curl {api_base}/v1/chat/completions \\
  -H "Authorization: Bearer $AKASHML_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"preset": "{slug}", {said}}}'"""
    anthropic = f"""\
curl {api_base}/anthropic/v1/messages \\
  -H "x-api-key: $AKASHML_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"preset": "{slug}", "max_tokens": 400,
       {said}}}'"""
    return [Sample("curl", "OpenAI", openai), Sample("shell", "Anthropic", anthropic)]
