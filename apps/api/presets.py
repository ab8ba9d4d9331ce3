"""The management API of presets: `/api/v1/presets/…`."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from rest_framework.request import Request

from apps.api.management import (
    PAGING,
    Conflict,
    ManagementView,
    NotFound,
    Page,
    answer,
    as_bad_request,
    body_of,
    operation,
)
from apps.gateway.errors import ApiError
from apps.gateway.openai.fields import ModelId
from apps.gateway.preset_check import Parameters, PresetDocument, checked_parameters, document_of
from apps.presets import actions
from apps.presets.models import MAX_SLUG, Content, Preset, PresetVersion
from apps.presets.queries import preset_of, presets_of, versions_of

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SLUG)]
Description = Annotated[str, msgspec.Meta(max_length=500)]


class NewPreset(msgspec.Struct, forbid_unknown_fields=True):
    """`parameters` are fields of a chat completion's request. Without a slug one is made of the name."""

    name: Name
    model: ModelId
    slug: Slug | None = None
    description: Description = ""
    parameters: Parameters | msgspec.UnsetType = msgspec.UNSET
    system_prompt: str = ""
    is_default: bool = False


class PresetChange(msgspec.Struct, forbid_unknown_fields=True):
    """A field that is left out stays as it is; `parameters` are replaced as a whole."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    slug: Slug | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    model: ModelId | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters | msgspec.UnsetType = msgspec.UNSET
    system_prompt: str | msgspec.UnsetType = msgspec.UNSET
    is_default: bool | msgspec.UnsetType = msgspec.UNSET


class PresetInfo(msgspec.Struct, kw_only=True):
    """A preset as it is now. `version` counts changes of its model, parameters or system prompt."""

    slug: str
    name: str
    description: str
    model: str
    parameters: Parameters
    system_prompt: str
    is_default: bool
    version: int
    created_at: datetime
    updated_at: datetime


class PresetList(msgspec.Struct):
    """`next` is the cursor of the next page, null on the last one."""

    data: list[PresetInfo]
    next: str | None


class VersionInfo(msgspec.Struct):
    """What a preset said up to `replaced_at`."""

    version: int
    model: str
    parameters: Parameters
    system_prompt: str
    replaced_at: datetime


class VersionList(msgspec.Struct):
    """`next` is the cursor of the next page, null on the last one."""

    data: list[VersionInfo]
    next: str | None


decode_new = msgspec.json.Decoder(NewPreset)
decode_change = msgspec.json.Decoder(PresetChange)
schema = partial(operation, "presets")


class Presets(ManagementView):
    @schema("list_presets", "List presets", PresetList, reads=True, parameters=PAGING)
    def get(self, request: Request) -> HttpResponse:
        """Newest first."""
        page = Page(presets_of(request.auth.account), request._request.GET)
        return answer(PresetList([info(row) for row in page.rows], page.next))

    @schema("create_preset", "Create a preset", PresetInfo, status=201, request={"application/json": NewPreset})
    def post(self, request: Request) -> HttpResponse:
        """Requests may name it at once: `"preset": "its-slug"`."""
        wanted = body_of(request, decode_new)
        parameters = b"{}" if wanted.parameters is msgspec.UNSET else bytes(wanted.parameters)
        given = msgspec.structs.asdict(wanted) | {"slug": wanted.slug or "", "parameters": checked_parameters(parameters)}
        try:
            row = actions.create_preset(request.auth.account, actions.NewPreset(**given))
        except ValidationError as error:
            raise refused(error) from None
        return answer(info(row), status=201)


class OnePreset(ManagementView):
    @schema("retrieve_preset", "Retrieve a preset", PresetInfo, reads=True)
    def get(self, request: Request, slug: str) -> HttpResponse:
        """As it is now."""
        return answer(info(one_preset(request, slug)))

    @schema("update_preset", "Change a preset", PresetInfo, request={"application/json": PresetChange})
    def patch(self, request: Request, slug: str) -> HttpResponse:
        """Counts from the next request on. What it said before is kept as a version."""
        change, row = body_of(request, decode_change), one_preset(request, slug)
        given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
        if "parameters" in given:
            given["parameters"] = checked_parameters(bytes(given["parameters"]))
        try:
            return answer(info(actions.edit_preset(row, given)))
        except ValidationError as error:
            raise refused(error) from None

    @schema("delete_preset", "Delete a preset", PresetInfo)
    def delete(self, request: Request, slug: str) -> HttpResponse:
        """With its versions. The answer is the preset as it was; requests that name it are refused from now on."""
        row = one_preset(request, slug)
        actions.delete_preset(row)
        return answer(info(row))


class DuplicatePreset(ManagementView):
    @schema("duplicate_preset", "Duplicate a preset", PresetInfo, status=201, request=None)
    def post(self, request: Request, slug: str) -> HttpResponse:
        """The copy has a name and a slug of its own, and begins at version 1."""
        try:
            return answer(info(actions.duplicate_preset(one_preset(request, slug))), status=201)
        except ValidationError as error:
            raise refused(error) from None


class ExportPreset(ManagementView):
    @schema("export_preset", "Export a preset", PresetDocument, reads=True)
    def get(self, request: Request, slug: str) -> HttpResponse:
        """As a file: the body of the POST that makes such a preset, in this account or in another."""
        headers = {"Content-Disposition": f'attachment; filename="{slug}.preset.json"'}
        return HttpResponse(document_of(one_preset(request, slug)), content_type="application/json", headers=headers)


class PresetVersions(ManagementView):
    @schema("list_preset_versions", "List what a preset said before", VersionList, reads=True, parameters=PAGING)
    def get(self, request: Request, slug: str) -> HttpResponse:
        """The last one first, without the one in force; the last 20 are kept."""
        page = Page(versions_of(one_preset(request, slug)), request._request.GET)
        return answer(VersionList([version_info(row) for row in page.rows], page.next))


class RestorePresetVersion(ManagementView):
    @schema("restore_preset_version", "Restore a version of a preset", PresetInfo, request=None)
    def post(self, request: Request, slug: str, version: int) -> HttpResponse:
        """Its model, parameters and system prompt are in force again, as a new version."""
        try:
            return answer(info(actions.restore_version(one_preset(request, slug), version)))
        except ValidationError as error:
            raise refused(error) from None


def one_preset(request: Request, slug: str) -> Preset:
    """A preset of the manager's account. Raises NotFound."""
    row = preset_of(request.auth.account, slug)
    if row is None:
        raise NotFound(f"There is no preset {slug!r}.", code="preset_not_found")
    return row


def refused(error: ValidationError) -> ApiError:
    """An action's complaint in the API's shape."""
    complaint = as_bad_request(error)
    if isinstance(error, actions.SlugTaken):
        return Conflict(complaint.message, param=complaint.param, code="slug_taken")
    if isinstance(error, actions.TooMany):
        return Conflict(complaint.message, code="too_many_presets")
    if isinstance(error, actions.Gone):
        return NotFound(complaint.message, code="preset_not_found")
    return complaint


def _content(row: Content) -> dict[str, Any]:
    return {"model": row.model, "parameters": msgspec.Raw(row.parameters.encode()), "system_prompt": row.system_prompt}


def info(row: Preset) -> PresetInfo:
    return PresetInfo(
        slug=row.slug,
        name=row.name,
        description=row.description,
        is_default=row.is_default,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        **_content(row),
    )


def version_info(row: PresetVersion) -> VersionInfo:
    return VersionInfo(version=row.version, replaced_at=row.replaced_at, **_content(row))
