"""Claude Code in print mode: installed by its lock file, in a home of its own, with nothing but the loopback to talk to."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import node

FOLDER = node.FOLDER / "claude-code"
INSTALL_S = 200  # a binary of some 400 MB
RUN_S = 90
# Whatever is not on the loopback ends at a port where nobody listens.
NOBODY = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Run:
    """What one run printed, and its result as it reports it."""

    result: dict[str, Any]
    stderr: str


def program() -> Path:
    """Claude Code's own binary for this machine."""
    node.install(FOLDER, INSTALL_S)
    found = sorted((FOLDER / "node_modules" / "@anthropic-ai").glob("claude-code-linux-*/claude"))
    if not found:
        pytest.fail("npm installed no binary of Claude Code for this machine", pytrace=False)
    return found[0]


def run(folder: Path, prompt: str, *, base_url: str, key: str, model: str, tools: tuple[str, ...]) -> Run:
    """`claude -p PROMPT` in `folder`/work, which it may change with these tools. Fails the test when it ends with an error."""
    home, work = folder / "home", folder / "work"
    home.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    environment = {
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_DEFAULT_OPUS_MODEL": model,
        "ANTHROPIC_DEFAULT_SONNET_MODEL": model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
        "HTTP_PROXY": NOBODY,
        "HTTPS_PROXY": NOBODY,
        "NO_PROXY": "127.0.0.1",
    }
    command = [
        *(str(program()), "-p", prompt, "--output-format", "json", "--model", "sonnet"),
        *("--permission-mode", "acceptEdits", "--allowedTools", ",".join(tools)),
    ]
    done = subprocess.run(
        command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        pytest.fail(f"Claude Code ended with status {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
    return Run(json.loads(done.stdout.splitlines()[-1]), done.stderr)
