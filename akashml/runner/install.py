"""`python install.py [--tests] ARGUMENTS…`: bring .venv and static/build to what the sources say, then run .venv's Python with ARGUMENTS.

Only the standard library, since nothing is installed yet. Run as a file, by any Python of the right version. A lock file
that was installed is remembered in .venv by its content: when nothing changed, this takes a few milliseconds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BOOTSTRAP, PRODUCT, TESTS = "requirements-bootstrap.txt", "requirements.txt", "requirements-test.txt"
OLDEST = (3, 11)


def main(arguments: list[str]) -> None:
    tests = arguments[:1] == ["--tests"]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that `run` ends its child
    # Two instances may start at the same time out of one checkout: the second waits for the first one's installation.
    guard = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(guard, fcntl.LOCK_EX)
    try:
        make_venv()
        install([PRODUCT, TESTS] if tests else [PRODUCT])
        build_pages()
    finally:
        os.close(guard)
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), *arguments[int(tests) :]])  # noqa: S606 - our own Python


def make_venv() -> None:
    """A virtual environment, unless there is one whose Python still works."""
    if os.access(PYTHON, os.X_OK) and run([PYTHON, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})"], quiet=True):
        return
    if sys.version_info < OLDEST:
        fail("Python 3.11 or later is needed: install it, or name one with `make run PYTHON=/path/to/python3.11`.")
    say("making .venv")
    if not run([sys.executable, "-m", "venv", "--clear", VENV]):
        fail("`python -m venv` failed. On Debian and Ubuntu: apt install python3-venv")


def install(names: list[str]) -> None:
    """Install the locks that differ from what was last installed, by uv; by pip where uv finds no way to the packages."""
    changed = [name for name in names if not installed(name)]
    if not changed:
        return
    say("installing " + ", ".join(changed))
    locks = [part for name in changed for part in ("-r", ROOT / name)]
    options = ["--quiet", "--require-hashes", *locks]
    if not (install_uv() and run([PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, *options])):
        say("uv could not install them; trying with pip, which knows this machine's own package index and certificates")
        if not run([*pip(), *options]):
            fail("the packages could not be installed (see above): is the package index reachable?")
    for name in changed:
        remember(name)


def install_uv() -> bool:
    if not installed(BOOTSTRAP):
        if not run([PYTHON, "-c", "import pip"], quiet=True) and not run([PYTHON, "-m", "ensurepip"], quiet=True):
            fail(f"{VENV} has no pip: remove that folder and start again.")
        if not run([*pip(), "--quiet", "--require-hashes", "-r", ROOT / BOOTSTRAP]):
            return False
        remember(BOOTSTRAP)
    return True


def pip() -> list[str | Path]:
    return [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-compile", "--no-deps"]


def build_pages() -> None:
    """What browsers load (frontend.py); it says itself what went wrong."""
    if not run([PYTHON, "-I", "-S", ROOT / "akashml" / "runner" / "frontend.py"]):
        sys.exit(1)


def installed(name: str) -> bool:
    seen = VENV / f"installed-{name}"
    return seen.exists() and seen.read_bytes() == (ROOT / name).read_bytes()


def remember(name: str) -> None:
    shutil.copyfile(ROOT / name, VENV / f"installed-{name}")


def run(command: list[str | Path], quiet: bool = False) -> bool:
    """Whether the command succeeded. It has a session of its own, so that what it started ends with us too."""
    output = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT, stdout=output, stderr=output, start_new_session=True)  # noqa: S603 - ours
    try:
        return process.wait() == 0
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    sys.exit(f"setup: {text}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
