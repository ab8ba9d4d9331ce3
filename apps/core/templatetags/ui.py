"""Template tags for what every page is built of: icons, assets, form fields, buttons that copy. templates/README.md shows each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from apps.core.code_samples import Sample, highlighted
from apps.core.icons import ICONS

register = template.Library()


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """`{% icon "key" %}`: an icon that says nothing to screen readers. KeyError for a name that is not in apps/core/icons.py."""
    drawing = mark_safe(ICONS[name])  # noqa: S308 - our own drawings
    return format_html('<svg class="icon{}" viewBox="0 0 16 16" aria-hidden="true">{}</svg>', f" {classes}" if classes else "", drawing)


@register.simple_tag
def script(name: str) -> SafeString:
    """`{% script "pages/usage" %}`: static/js/pages/usage.js as it was bundled. Belongs in the block `scripts`."""
    return format_html('<script type="module" src="{}"></script>', static(f"build/{name}.js"))


@register.simple_tag
def control(field: BoundField, classes: str = "", help: str = "") -> SafeString:
    """The bare control of a form's field, in our looks: label, help and errors are the caller's. `{% field %}` has them all.

    `help` says that the caller shows a help text of their own, under the id `{{ field.auto_id }}_helptext`.
    """
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple) or field.is_hidden:
        looks = ""
    elif isinstance(widget, forms.Select):
        looks = "select"
    else:
        looks = "input"
    names = " ".join(part for part in (widget.attrs.get("class", ""), looks, classes) if part)
    attributes: dict[str, str | bool] = {"class": names} if names else {}
    if help and not field.help_text:
        attributes["aria-describedby"] = " ".join([f"{field.auto_id}_helptext", *([f"{field.auto_id}_error"] if field.errors else [])])
    return field.as_widget(attrs=attributes)


@register.inclusion_tag("forms/field.html")
def field(field: BoundField, **options: Any) -> dict[str, Any]:
    """`{% field form.name %}`: label, control, help and errors of one field.

    Options: `label`, `help`, `classes` (of the control), `prefix`, `suffix`, `aside` (safe HTML at the label's end).
    """
    return {"field": field, **options}


@register.filter
def kind(field: BoundField) -> str:
    """Which layout a field takes: `check`, `choices`, `password` or `line`."""
    widget = field.field.widget
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices"
    if isinstance(widget, forms.CheckboxInput):
        return "check"
    return "password" if isinstance(widget, forms.PasswordInput) else "line"


@register.filter
def fields_with_errors(form: forms.BaseForm) -> Iterable[BoundField]:
    """For the summary on top of a form."""
    return [field for field in form if field.errors]


@register.inclusion_tag("partials/code_samples.html")
def code_samples(samples: Sequence[Sample], name: str, label: str = "Language") -> dict[str, Any]:
    """`{% code_samples samples "hero" %}`: a code block with a tab per language; `name` is unique on the page.

    The tabs are radio buttons, so they work without script; samples.js remembers the language.
    """
    return {"samples": samples, "name": name, "label": label}


@register.filter
def highlight(sample: Sample) -> SafeString:
    """The sample's text with its strings, words, numbers and comments marked."""
    return highlighted(sample.text, sample.language)


@register.filter
def inline_code(text: str) -> SafeString:
    """HTML of a plain text in which `backticks` mark code; all else is escaped."""
    parts = re.split(r"`([^`]+)`", str(text))
    return format_html_join("", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(parts)))


@register.inclusion_tag("partials/copy_button.html")
def copy_button(text: str = "", label: str = "Copy", source: str = "", **options: Any) -> dict[str, Any]:
    """`{% copy_button key label="Copy key" %}`: copies `text`, or the text of the element with the id `source`.

    Options: `words` (a visible caption; without it the button is an icon), `classes`.
    """
    return {"text": text, "label": label, "source": source, **options}
