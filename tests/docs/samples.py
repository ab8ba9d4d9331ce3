"""The code in the guide's pages, made to call one running site with keys that work there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

WRITTEN_ADDRESS, WRITTEN_KEY = "http://127.0.0.1:8000", "akml-..."
# Programs of others that samples name; what they do is not ours to test. `make` is: its targets are looked up.
OF_OTHERS = {"pip", "npm", "vllm", "ollama", "llama-server", "claude", "export"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    page: str
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}-{self.number}-{self.language or 'text'}"


def samples(page: Path) -> list[Sample]:
    """A page's code, in its order."""
    return [Sample(page.stem, number, *found) for number, found in enumerate(FENCE.findall(page.read_text()), 1)]


def commands(script: str) -> list[list[str]]:
    """The commands of a shell script as words, without what is put into their environment."""
    script = re.sub(r"'[^']*'", lambda quoted: quoted[0].replace("\n", " "), script.replace("\\\n", " "))
    lines = [shlex.split(line, comments=True) for line in script.splitlines()]
    stripped = []
    for words in lines:
        start = next((at for at, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)), len(words))
        stripped.append(words[start:])
    return [words for words in stripped if words]
