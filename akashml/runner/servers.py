"""`python -m akashml.runner.servers`: Postgres and Valkey of this DATA_DIR alone, in the foreground until Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from akashml import env
from akashml.instance import Instance
from akashml.runner import events, lock
from akashml.runner.errors import StartError
from akashml.runner.postgres import Postgres
from akashml.runner.process import tail
from akashml.runner.valkey import Valkey

Server = Postgres | Valkey


def start(server: Server, timeout_s: float = 60, pause: Callable[[float], None] = time.sleep) -> subprocess.Popen[bytes]:
    """Start it and return once it answers, looking every `pause`. Raises StartError with the end of its log."""
    server.prepare()
    process = server.start()
    try:
        deadline = time.monotonic() + timeout_s
        while not server.ready():
            if process.poll() is not None:
                raise StartError(f"{server.name} ended with {process.returncode} while starting:\n{tail(server.log)}")
            if time.monotonic() > deadline:
                raise StartError(f"{server.name} did not answer within {timeout_s:.0f} s:\n{tail(server.log)}")
            pause(0.03)
    except BaseException:
        stop(server, process)
        raise
    return process


def stop(server: Server, process: subprocess.Popen[bytes], timeout_s: float = 15) -> None:
    """Stop it cleanly, or kill it after `timeout_s` (both recover from that)."""
    if process.poll() is None:
        process.send_signal(server.stop_signal)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    base = Path(__file__).resolve().parent.parent.parent
    instance = Instance(env.folder("DATA_DIR", base / ".data"))
    events.begin()
    running: list[tuple[Server, subprocess.Popen[bytes]]] = []
    try:
        held = lock.take(instance.data_dir)  # noqa: F841 - held until we end
        logs = instance.data_dir / "logs"
        logs.mkdir(exist_ok=True)
        for server in (Postgres(instance, logs / "postgres.log"), Valkey(instance, logs / "valkey.log")):
            running.append((server, start(server, pause=events.wait)))
            if isinstance(server, Postgres):
                server.create_database()
        print(f"DATABASE_URL={instance.database_url}\nREDIS_URL={instance.redis_url}", flush=True)
        while True:
            events.wait(3600)
    except StartError as error:
        sys.exit(str(error))
    except events.StopRequested:
        pass  # the way to end it
    finally:
        for server, process in reversed(running):
            stop(server, process)


if __name__ == "__main__":
    main()
