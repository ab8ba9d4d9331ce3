"""Waiting in the runner: for a child to end, for a request to stop, or for time to pass. No signal handlers, no races."""

from __future__ import annotations

import signal

STOP = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class StopRequested(Exception):
    """Somebody wants the runner to stop: Ctrl-C, SIGTERM, or a closed terminal."""


def begin() -> None:
    """From here on signals wait until `wait` asks for them."""
    for number in STOP:
        signal.signal(number, signal.SIG_DFL)  # a shell starts background jobs with SIGINT ignored
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP | {signal.SIGCHLD})


def wait(seconds: float) -> None:
    """Return when a child has ended or the time has passed. Raises StopRequested."""
    got = signal.sigtimedwait(STOP | {signal.SIGCHLD}, max(seconds, 0))
    if got is not None and got.si_signo != signal.SIGCHLD:
        raise StopRequested
