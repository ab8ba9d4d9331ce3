"""Starting one child: in a session of its own, tied to our life, its output in a log file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    become: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` with stdout and stderr appended to `log`.

    The child leads a session of its own, so that a Ctrl-C in the terminal reaches only the runner, which then stops its
    children in order. Should we die without doing so, the kernel sends it `death_signal` (when the calling thread ends: call
    this from the main thread). `become` runs in the child before anything else (see `unprivileged`). Raises OSError when the
    program cannot be started.
    """
    parent = os.getpid()

    def in_child() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if become is not None:
            become()
        # After `become`: a change of credentials clears the death signal.
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # the runner died before the line above took effect

    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the arguments are ours
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
            preexec_fn=in_child,
        )


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for the text of an error."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
