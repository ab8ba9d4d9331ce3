"""Code as pages show it: a sample in one language, and its colours (`.s` strings, `.k` words, `.i` numbers, `.c` comments)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

SHELL = r"\b(?:curl|export|claude|pip|npm|npx|git|cd|make|docker)\b(?=\s|$)"
PYTHON = r"\b(?:from|import|for|in|if|else|def|return|with|as|async|await|class|not|and|or|None|True|False|print)\b"
JAVASCRIPT = r"\b(?:import|from|const|let|new|await|async|for|of|if|else|function|return|export|default|true|false|null)\b"
JSON = r"\b(?:true|false|null)\b"
WORDS = {"curl": SHELL, "shell": SHELL, "claude-code": SHELL, "python": PYTHON, "anthropic": PYTHON, "javascript": JAVASCRIPT, "json": JSON}
COMMENTS = {"javascript": r"//[^\n]*", "json": r"(?!)"}
STRINGS = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
NUMBERS = r"(?<![\w.-])\d+(?:\.\d+)?\b"


@dataclass(frozen=True, slots=True)
class Sample:
    """A piece of code. `language`: curl, shell, python, anthropic (Python too), javascript, json or claude-code; samples of one language stay together."""

    language: str
    label: str
    text: str


def highlighted(text: str, language: str) -> SafeString:
    """HTML of the code; a language that is not known comes out without colours."""
    words = WORDS.get(language)
    if words is None:
        return mark_safe(escape(text))  # noqa: S308 - escaped
    comments = COMMENTS.get(language, r"(?<![\w$])#[^\n]*")
    numbers = NUMBERS if words is not SHELL else r"(?!)"  # in a command line they are parts of names
    token = re.compile(f"(?P<c>{comments})|(?P<s>{STRINGS})|(?P<k>{words})|(?P<i>{numbers})", re.DOTALL)
    parts, at = [], 0
    for match in token.finditer(text):
        # A span does not reach over lines, so that a line can be selected or marked by itself.
        marked = "\n".join(f'<span class="{match.lastgroup}">{escape(line)}</span>' if line else "" for line in match.group().split("\n"))
        parts += [escape(text[at : match.start()]), marked]
        at = match.end()
    return mark_safe("".join([*parts, escape(text[at:])]))  # noqa: S308 - every part is escaped
