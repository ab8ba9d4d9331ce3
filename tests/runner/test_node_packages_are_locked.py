"""Promise: what comes from npm is the same on every machine: each package is locked by its hash, and no lock names a registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT

FOLDERS = [".", "tests/clients", "tests/clients/claude-code", "tests/browser", "tests/browser/lighthouse"]


def locked(folder: str) -> dict[str, Any]:
    return json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_package_has_a_hash_and_no_address(folder: str) -> None:
    packages = {place: package for place, package in locked(folder).items() if place}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_versions_asked_for_are_exact_and_are_those_of_the_lock(folder: str) -> None:
    asked = json.loads((ROOT / folder / "package.json").read_text())["dependencies"]
    packages = locked(folder)
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}


def test_no_lock_is_forgotten_here() -> None:
    found = {
        path.parent.relative_to(ROOT)
        for path in ROOT.rglob("package-lock.json")
        if "node_modules" not in path.parts and ".venv" not in path.parts
    }
    assert found == {Path(folder) for folder in FOLDERS}
