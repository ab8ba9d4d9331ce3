"""The Node clients are the same on every machine: each is locked by its hash, and the lock names no registry."""

from __future__ import annotations

import json

from tests.clients.node import FOLDER, LOCK


def test_each_package_has_a_hash_and_no_address():
    packages = {place: package for place, package in json.loads(LOCK.read_text())["packages"].items() if place}
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())


def test_versions_asked_for_are_exact_and_are_those_of_the_lock():
    asked = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    packages = json.loads(LOCK.read_text())["packages"]
    assert asked == {name: packages[f"node_modules/{name}"]["version"] for name in asked}
