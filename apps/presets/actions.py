"""Making, editing, duplicating, restoring and deleting presets.

Whoever changes an account's presets holds their lock: slugs, the one default and the bounds below are judged by what is there.
That the parameters are a chat request's is for the caller to see to first (apps/gateway/preset_check.py): this floor knows no requests.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.accounts.models import Account
from apps.catalog.models import Model
from apps.presets.models import MAX_SLUG, Preset, PresetVersion
from apps.presets.queries import preset_of, presets_of, versions_of

MOST_PRESETS = 200
VERSIONS_KEPT = 20
MAX_BYTES = 32_768  # of parameters as JSON, and of a system prompt
CONTENT = ("model", "parameters", "system_prompt")
EDITABLE = ("slug", "name", "description", *CONTENT, "is_default")
RESERVED = frozenset({"new", "import"})  # addresses beside those of presets


@dataclass(frozen=True, slots=True)
class NewPreset:
    """`parameters` as JSON; without a slug one is made of the name."""

    name: str
    model: str
    slug: str = ""
    description: str = ""
    parameters: str = "{}"
    system_prompt: str = ""
    is_default: bool = False


class SlugTaken(ValidationError):
    """Another preset of the account has it."""


class TooMany(ValidationError):
    """The account has MOST_PRESETS already."""


class Gone(ValidationError):
    """Somebody else has deleted the preset, or the version is not kept any more."""


@transaction.atomic
def create_preset(account: Account, wanted: NewPreset) -> Preset:
    """Raises ValidationError naming the field, SlugTaken and TooMany."""
    _lock(account)
    if presets_of(account).count() >= MOST_PRESETS:
        raise TooMany(f"an account can have at most {MOST_PRESETS} presets: delete one first")
    row = Preset(account=account, **asdict(wanted))
    row.slug = wanted.slug or _free_slug(account, wanted.name)
    _save(row, new_model=True)
    return row


@transaction.atomic
def edit_preset(row: Preset, changes: dict[str, Any]) -> Preset:
    """Change some of a preset's EDITABLE fields; what is not named stays as somebody else may have set it meanwhile. Other content is a
    new version, and what it said before is kept.

    Returns the row as it is now. Raises ValidationError naming the field, SlugTaken and Gone.
    """
    row = _locked(row)
    before = {name: getattr(row, name) for name in CONTENT}
    for name in EDITABLE:
        if name in changes:
            setattr(row, name, changes[name])
    if any(getattr(row, name) != value for name, value in before.items()):
        PresetVersion.objects.create(preset=row, version=row.version, **before)
        versions_of(row).filter(version__lte=row.version - VERSIONS_KEPT).delete()
        row.version += 1
    row.updated_at = timezone.now()
    _save(row, new_model=row.model != before["model"])
    return row


def restore_version(row: Preset, version: int) -> Preset:
    """Lets the preset say again what it said as this version, as a new version. Raises as `edit_preset` does."""
    kept = versions_of(row).filter(version=version).first()
    if kept is None:
        raise Gone(f"version {version} is not kept")
    return edit_preset(row, {name: getattr(kept, name) for name in CONTENT})


def duplicate_preset(row: Preset) -> Preset:
    """Another preset with the same content, as its first version. Raises TooMany, and ValidationError where its model is gone."""
    copied = {field.name: getattr(row, field.name) for field in fields(NewPreset)}
    name = f"{row.name[:93]} (copy)"
    return create_preset(row.account, NewPreset(**{**copied, "name": name, "slug": "", "is_default": False}))


@transaction.atomic
def delete_preset(row: Preset) -> None:
    """With its versions. Requests that name it are refused from then on."""
    _lock(row.account)
    Preset.objects.filter(pk=row.pk).delete()


def _lock(account: Account) -> None:
    """Not the account's row: admission waits for that one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('presets'), hashint8(%s))", [account.pk])


def _locked(row: Preset) -> Preset:
    _lock(row.account)
    found = presets_of(row.account).filter(pk=row.pk).first()
    if found is None:
        raise Gone("this preset was deleted meanwhile")
    return found


def _save(row: Preset, *, new_model: bool) -> None:
    row.name, row.description = _line("name", row.name), _line("description", row.description)
    if row.slug in RESERVED:
        raise ValidationError({"slug": f"{row.slug!r} has a meaning of its own here: choose another one"})
    for name in ("parameters", "system_prompt"):
        if len(getattr(row, name).encode()) > MAX_BYTES:
            raise ValidationError({name: f"at most {MAX_BYTES} bytes"})
    if "\0" in row.system_prompt:
        raise ValidationError({"system_prompt": "cannot contain null characters"})
    row.full_clean(validate_unique=False, validate_constraints=False)
    if new_model and not Model.objects.filter(public_id=row.model, is_active=True).exists():
        raise ValidationError({"model": f"the model {row.model!r} does not exist"})
    taken = preset_of(row.account, row.slug)
    if taken is not None and taken.pk != row.pk:
        raise SlugTaken({"slug": f"another preset of this account is called {row.slug!r}"})
    if row.is_default:
        presets_of(row.account).filter(is_default=True).exclude(pk=row.pk).update(is_default=False)
    row.save()


def _line(field: str, text: str) -> str:
    """Without white space around it. Raises ValidationError for what no page could show on one line."""
    text = text.strip()
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValidationError({field: "cannot contain line breaks or control characters"})
    return text


def _free_slug(account: Account, name: str) -> str:
    """Made of the name, numbered where that is taken: `support`, `support-2`."""
    stem = slugify(name)[: MAX_SLUG - 5].strip("-_").replace("_", "-") or "preset"
    stem = "-".join(word for word in stem.split("-") if word)
    taken = set(presets_of(account).filter(slug__startswith=stem).values_list("slug", flat=True)) | RESERVED
    return next(
        slug for number in range(1, MOST_PRESETS + len(RESERVED) + 2) if (slug := stem if number == 1 else f"{stem}-{number}") not in taken
    )
