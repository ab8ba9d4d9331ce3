"""`{% shell_context as shell %}` for templates/shell.html."""

from __future__ import annotations

from typing import Any

from django import template

from apps.dashboard.shell import Shell, shell_of

register = template.Library()


@register.simple_tag(takes_context=True)
def shell_context(context: dict[str, Any]) -> Shell:
    return shell_of(context["request"])
