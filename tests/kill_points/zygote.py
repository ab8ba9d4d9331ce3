"""`python -m tests.kill_points.zygote`: a process that has loaded the product and forks gateways on demand, in a tenth of the time that
one takes from nothing. A line of standard input is a port; the answer is the process id. It ends with its standard input.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.servers import ROOT

PR_SET_PDEATHSIG = 1


class Zygote:
    """The test's grip on it. All gateways have the same environment and write to one log."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kill_points.zygote"],
                cwd=ROOT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True,
            )  # fmt: skip

    def fork(self, port: int) -> int:
        """A gateway that listens there when it is ready; returns its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{port}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """Ends it, and its gateways with it."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    import django

    django.setup()
    import uvicorn

    import akashml.asgi  # noqa: F401  loads everything

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    own = os.getpid()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if os.getppid() != own:
                os._exit(1)
            os.dup2(2, 1)
            uvicorn.run(
                "akashml.asgi:application", host="127.0.0.1", port=int(line), loop="uvloop", http="akashml.asgi:HttpProtocol", lifespan="on",
                access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=5,
            )  # fmt: skip
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
