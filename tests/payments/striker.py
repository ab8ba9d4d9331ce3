"""`python -m tests.payments.striker`: a process that has loaded the product and runs flows in forks of itself, which it can have killed
at any point. A point is the moment after a call that changes something at Stripe, or after a commit, and the beginning; the flow's real
calls make them. Between two points nothing lasting happens, so that being killed there is being killed at the earlier one.

A line of standard input is JSON: `flow`, its `arguments`, and `kill_at`, the number of the point at which the fork gets SIGKILL (−1:
never). The answer is a line of JSON: the names of the points that were passed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.servers import ROOT

WRITES = ("INSERT", "UPDATE", "DELETE")


class Striker:
    """The test's grip on it."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.payments.striker"],
                cwd=ROOT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True,
            )  # fmt: skip
        self.log = log

    def run(self, flow: str, arguments: dict[str, Any], kill_at: int = -1) -> list[str]:
        """The points that were passed. AssertionError when the flow failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"flow": flow, "arguments": arguments, "kill_at": kill_at}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"status": -1, "points": []}')
        expected = 0 if kill_at < 0 else -signal.SIGKILL
        assert answer["status"] == expected, f"{flow} ended with {answer['status']}:\n{self.log.read_text()[-5_000:]}"
        points: list[str] = answer["points"]
        return points

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    import django

    django.setup()
    from tests.payments import flows

    _load()

    for line in sys.stdin:
        told = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os.dup2(2, 1)
            _instrument(writing, told["kill_at"])
            code = 1
            try:
                getattr(flows, told["flow"])(**told["arguments"])
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            points = pipe.read().splitlines()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "points": points}), flush=True)


def _load() -> None:
    """What the library loads at first use, so that no fork has to: it takes longer than all that a flow does."""
    import requests  # noqa: F401
    import stripe

    services = stripe.StripeClient("sk_test_loading").v1
    for name in ("customers", "payment_intents", "payment_methods", "refunds", "setup_intents", "charges", "disputes"):
        getattr(services, name)
        getattr(stripe, "".join(word.title() for word in name.removesuffix("s").split("_")))
    _ = services.checkout.sessions, stripe.checkout.Session, stripe.ListObject, stripe.Event


def _instrument(writing: int, kill_at: int) -> None:
    """From here on this process tells its points, and kills itself at that one."""
    import stripe
    from django.db import connection
    from django.db.backends.postgresql.base import DatabaseWrapper

    passed = 0

    def point(name: str) -> None:
        nonlocal passed
        os.write(writing, f"{name}\n".encode())
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def followed(name: str, call: Callable[[], Any]) -> Any:
        done = call()
        point(f"after {name}")
        return done

    send = stripe.RequestsClient.request

    def request(self: Any, method: str, url: str, *rest: Any, **more: Any) -> Any:
        if method != "post":
            return send(self, method, url, *rest, **more)
        path = re.sub(r"/[a-z]+_\w{10,}", "/…", url.split("/v1", 1)[1])
        return followed(f"post {path}", lambda: send(self, method, url, *rest, **more))

    stripe.RequestsClient.request = request  # type: ignore[method-assign]
    commit = DatabaseWrapper._commit
    DatabaseWrapper._commit = lambda self: followed("a commit", lambda: commit(self))  # type: ignore[method-assign]

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        alone = connection.get_autocommit() and not connection.in_atomic_block
        if alone and sql.lstrip().upper().startswith(WRITES):
            return followed(" ".join(sql.split()[:3]), lambda: run(sql, params, many, context))
        return run(sql, params, many, context)

    connection.execute_wrappers.append(execute)
    point("at the beginning")


if __name__ == "__main__":
    main()
