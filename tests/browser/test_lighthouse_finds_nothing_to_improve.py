"""Promise: Lighthouse gives the first pages that a visitor sees at least 95 of 100 for accessibility and for best practices."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.clients import node
from tests.gateway.processes import GatewayProcess

FOLDER = Path(__file__).resolve().parent / "lighthouse"
INSTALL_S = 400
LEAST = 0.95
CATEGORIES = ("accessibility", "best-practices")
RUN_S = 110


@pytest.mark.timeout(INSTALL_S + 2 * RUN_S)  # the first time, its many packages are fetched
@pytest.mark.parametrize("address", ["/", "/accounts/login/"])
def test_a_page(site: GatewayProcess, tmp_path: Path, address: str) -> None:
    report = lighthouse(f"{site.url}{address}", tmp_path / "report.json")
    assert report["finalDisplayedUrl"].endswith(address)
    scores = {name: report["categories"][name]["score"] for name in CATEGORIES}
    faults = [audit["title"] for audit in report["audits"].values() if audit["score"] == 0]
    assert min(scores.values()) >= LEAST, f"{scores}: {faults}"


def lighthouse(url: str, output: Path) -> dict[str, Any]:
    """Its report on a page. It starts a Chromium of its own, which keeps its files in a folder of the test."""
    node.install(FOLDER, INSTALL_S)
    command = [
        *(node.NODE, FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js", url),
        *(f"--only-categories={','.join(CATEGORIES)}", "--output=json", f"--output-path={output}"),
        *("--quiet", "--no-enable-error-reporting", f"--chrome-flags=--headless=new {' '.join(FLAGS)}"),
    ]
    environment = os.environ | {"CHROME_PATH": CHROMIUM, "TMPDIR": str(output.parent)}
    done = subprocess.run(command, env=environment, cwd=output.parent, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, f"Lighthouse failed:\n{done.stdout}{done.stderr}"
    return json.loads(output.read_text())  # type: ignore[no-any-return]
