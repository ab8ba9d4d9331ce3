"""The fake backend by hand: for trials, soak and bench runs. `python -m tests.fakes --port 9000 --tokens 50 --delay 0.01`."""

from __future__ import annotations

import argparse
import signal

from tests.fakes.backend import FakeBackend
from tests.fakes.choosing import directed
from tests.fakes.reply import Reply


def main() -> None:
    """Serve until SIGINT or SIGTERM. Each request can carry directives in its last user message (choosing.py)."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=main.__doc__)
    parser.add_argument("--port", type=int, default=9000, help="0 for any free one")
    parser.add_argument("--tokens", type=int, default=20, help="pieces of text in each answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each piece")
    arguments = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before any thread starts, so that only sigwait gets them
    with FakeBackend(arguments.port, keep=10_000) as backend:
        backend.default = directed(f"#tokens={arguments.tokens} #delay={arguments.delay}", Reply())
        print(backend.base_url, flush=True)
        signal.sigwait(ends)
        print(f"at most {backend.max_open} requests at once, errors: {backend.errors}")


if __name__ == "__main__":
    main()
