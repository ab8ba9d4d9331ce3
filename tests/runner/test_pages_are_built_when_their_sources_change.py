"""Promise: setting up builds what browsers load; unchanged it costs nothing and needs no network, and what fails is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the build needs, with the packages of this checkout."""
    for name in ("package.json", "package-lock.json", ".npmrc", "build.mjs"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "akashml" / "runner").mkdir(parents=True)
    shutil.copy(ROOT / "akashml" / "runner" / "frontend.py", tmp_path / "akashml" / "runner")
    for name in ("js", "css"):
        shutil.copytree(ROOT / "static" / name, tmp_path / "static" / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    shutil.copytree(ROOT / "node_modules", tmp_path / "node_modules", symlinks=True)
    return tmp_path


def build(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", checkout / "akashml" / "runner" / "frontend.py"]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False)


def built(checkout: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (checkout / "static" / "build").rglob("*") if path.is_file()}


def test_it_builds_once_and_then_does_nothing(checkout: Path) -> None:
    # npm would be noticed: it has no registry to go to.
    first = build(checkout, npm_config_registry="http://127.0.0.1:9")
    assert first.returncode == 0, first.stderr
    assert "building" in first.stderr
    files = built(checkout)
    assert {"app.js", "shell.js", "app.js.br", "app.js.gz", "app.css", "admin.css", "theme.js"} <= set(files)
    assert files["app.css"] == (ROOT / "static" / "build" / "app.css").read_bytes()
    second = build(checkout, npm_config_registry="http://127.0.0.1:9")
    assert (second.returncode, second.stderr) == (0, "")


def test_a_changed_source_is_built_again(checkout: Path) -> None:
    build(checkout)
    before = built(checkout)
    with (checkout / "static" / "css" / "base.css").open("a") as file:
        file.write("@layer base { .a-new-rule { color: red } }")
    assert build(checkout).returncode == 0
    after = built(checkout)
    assert b".a-new-rule" in after["app.css"]
    assert after["app.js"] == before["app.js"]


@pytest.mark.parametrize(("name", "text"), [("js/broken.js", "export const = 1"), ("css/base.css", "@import './nothing.css';")])
def test_a_source_that_does_not_parse_is_named_and_what_was_built_stays(checkout: Path, name: str, text: str) -> None:
    build(checkout)
    before = built(checkout)
    (checkout / "static" / name).write_text(text)
    if name.startswith("js"):
        with (checkout / "static" / "js" / "app.js").open("a") as file:
            file.write('\nimport "./broken.js";\n')
    done = build(checkout)
    assert done.returncode == 1
    assert Path(name).name in done.stderr
    assert built(checkout) == before
    assert build(checkout).returncode == 1  # and it is not taken for done


def test_packages_that_cannot_be_had_are_a_clear_error(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / "node_modules")
    empty = tmp_path / "empty-cache"
    done = build(checkout, npm_config_registry="http://127.0.0.1:9", npm_config_cache=str(empty), npm_config_fetch_retries="0")
    assert done.returncode == 1
    assert "setup: npm failed: is npm's registry reachable?" in done.stderr
    assert "Traceback" not in done.stderr
