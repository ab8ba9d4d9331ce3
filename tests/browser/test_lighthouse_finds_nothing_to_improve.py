"""Promise: Lighthouse gives the first pages that a visitor sees at least 95 of 100 for accessibility and for best practices."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.clients import node
from tests.gateway.processes import GatewayProcess
from tests.gateway.waiting import wait_for

FOLDER = Path(__file__).resolve().parent / "lighthouse"
INSTALL_S = 400
LEAST = 0.95
CATEGORIES = ("accessibility", "best-practices")
RUN_S = 110
START_S = 60


@pytest.mark.timeout(INSTALL_S + 2 * RUN_S)  # the first time, its many packages are fetched
@pytest.mark.parametrize("address", ["/", "/accounts/login/"])
def test_a_page(site: GatewayProcess, tmp_path: Path, address: str) -> None:
    report = lighthouse(f"{site.url}{address}", tmp_path)
    assert report["finalDisplayedUrl"].endswith(address)
    scores = {name: report["categories"][name]["score"] for name in CATEGORIES}
    faults = [audit["title"] for audit in report["audits"].values() if audit["score"] == 0]
    assert min(scores.values()) >= LEAST, f"{scores}: {faults}"


@contextmanager
def chromium(folder: Path) -> Iterator[int]:
    """A Chromium of its own, which keeps its files in `folder`; the port that it is driven by. Lighthouse waits for one that it
    starts itself for a few seconds only."""
    command = [CHROMIUM, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", *FLAGS, "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = folder / "DevToolsActivePort"
            wait_for(lambda: port.exists() and port.read_text().count("\n") > 0, START_S, "a Chromium that can be driven")
            yield int(port.read_text().split("\n")[0])
        finally:
            process.terminate()
            process.wait(START_S)


def lighthouse(url: str, folder: Path) -> dict[str, Any]:
    """Its report on a page."""
    node.install(FOLDER, INSTALL_S)
    output = folder / "report.json"
    with chromium(folder / "profile") as port:
        command = [
            *(node.NODE, FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js", url),
            *(f"--only-categories={','.join(CATEGORIES)}", "--output=json", f"--output-path={output}"),
            *("--quiet", "--no-enable-error-reporting", f"--port={port}"),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, f"Lighthouse failed:\n{done.stdout}{done.stderr}"
    return json.loads(output.read_text())  # type: ignore[no-any-return]
