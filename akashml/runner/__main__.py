"""`python -m akashml.runner`: start everything, say where it is, keep it running, stop it in order."""

from __future__ import annotations

import secrets
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from akashml import env
from akashml.runner import events, external, lock, logs, readiness, servers
from akashml.runner.errors import StartError
from akashml.runner.listeners import bind
from akashml.runner.postgres import Postgres
from akashml.runner.process import tail
from akashml.runner.supervisor import Child, Supervisor, say
from akashml.runner.valkey import Valkey

QUESTION = '{"model": "akashml/docs-assistant", "messages": [{"role": "user", "content": "How do I create an API key?"}]}'


def main() -> int:
    events.begin()
    supervisor = Supervisor()
    try:
        run(supervisor)
    except (StartError, ImproperlyConfigured) as error:
        say(f"akashml could not start: {error}")
        return 1
    except events.StopRequested:
        return 0
    finally:
        if supervisor.groups:
            say("stopping …")
        supervisor.stop()


def run(supervisor: Supervisor) -> NoReturn:
    """Start everything and watch over it. Ends with StopRequested, or with StartError when a step of the start fails."""
    from akashml import settings  # reads and checks the environment: here, so that `main` reports what is wrong with it
    from akashml.runner.programs import Programs

    web_processes = env.integer("WEB_CONCURRENCY", 1, 1, 64)
    held = lock.take(settings.INSTANCE.data_dir)  # noqa: F841 - held until we end
    try:
        listener = bind(settings.PORT, settings.BIND_ADDRESS)
    except OSError as error:
        raise StartError(
            f"port {settings.PORT} on {settings.BIND_ADDRESS} cannot be used ({error.strerror}): set PORT to a free one."
        ) from None
    log_dir = settings.INSTANCE.data_dir / "logs"
    log_dir.mkdir(parents=True, exist_ok=True)
    remembered = [bind_remembered(settings.INSTANCE.data_dir / f"{name}-port") for name in ("assistant", "stripe-simulator")]
    programs = Programs(log_dir, listener, *remembered)
    assistant_port, simulator_port = (each.getsockname()[1] for each in remembered)

    start_servers(supervisor, log_dir)
    simulators = [programs.simulator(*simulate_stripe(simulator_port))] if stripe_is_simulated() else []
    supervisor.add(*simulators)
    assistants = [programs.assistant()] if settings.ALLOW_PRIVATE_BACKENDS else []  # it could not be a backend otherwise
    supervisor.add(*assistants)
    finish(programs.preparation(assistant_port), programs.log("prepare"))
    webs = [programs.web(number) for number in range(1, web_processes + 1)]
    supervisor.add(programs.worker(), programs.beat())
    supervisor.add(*webs)
    web_logs = [programs.log(f"web-{number}") for number in range(1, web_processes + 1)]
    if assistants:
        readiness.wait_for(assistants, [programs.log("docs-assistant")], assistant_port, "/health")
    if simulators:
        readiness.wait_for(simulators, [programs.log("stripe-simulator")], simulator_port, "/health")
    readiness.wait_for(webs, web_logs, settings.PORT, "/readyz")
    announce()
    try:
        watch(supervisor, [logs.Alarms(log) for log in web_logs])
    finally:
        listener.close()  # with ours open, new connections would go on queueing while the web processes drain


def stripe_is_simulated() -> bool:
    """Without a key of Stripe's, but never in production: there payments are then not offered."""
    from akashml import settings

    return not settings.PRODUCTION and not env.text("STRIPE_SECRET_KEY")


def simulate_stripe(port: int) -> tuple[str, str]:
    """Write down for settings where the simulator is, and with which key and webhook secret; the same at every start."""
    from akashml import settings

    kept = settings.INSTANCE
    for name, prefix in (("stripe_secret_key", "sk_test_"), ("stripe_webhook_secret", "whsec_")):
        kept.remember(name, kept.recall(name) or prefix + secrets.token_hex(24))
    kept.remember("stripe_api_base", f"http://127.0.0.1:{port}")
    return kept.recall("stripe_secret_key"), kept.recall("stripe_webhook_secret")


def bind_remembered(memory: Path) -> socket.socket:
    """The port of the last run while it is free, so that what the database or a browser remembers of it stays true."""
    earlier = memory.read_text() if memory.exists() else ""
    try:
        listener = bind(int(earlier)) if earlier.isdecimal() else bind(0)
    except (OSError, OverflowError):
        listener = bind(0)
    memory.write_text(str(listener.getsockname()[1]))
    return listener


def start_servers(supervisor: Supervisor, log_dir: Path) -> None:
    """Postgres and Valkey, each unless the environment names one to use instead."""
    from akashml import settings

    def embedded(server: servers.Server) -> None:
        def launch() -> subprocess.Popen[bytes]:
            server.prepare()
            return server.start()

        child = Child(server.name, launch, stop_signal=server.stop_signal, grace_s=4)
        supervisor.adopt(child, servers.start(server, pause=events.wait))

    their_database, their_valkey = bool(env.text("DATABASE_URL")), bool(env.text("REDIS_URL"))
    if their_database:
        external.check_database(settings.DATABASE_URL)
    if their_valkey:
        external.check_valkey(settings.REDIS_URL)
    if not their_database:
        database = Postgres(settings.INSTANCE, logs.rotate(log_dir / "postgres.log"))
        embedded(database)
        database.create_database()
    if not their_valkey:
        embedded(Valkey(settings.INSTANCE, logs.rotate(log_dir / "valkey.log")))


def finish(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a step of the start that ends by itself. Raises StartError with the end of its log."""
    try:
        while process.poll() is None:
            events.wait(1)
    except events.StopRequested:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise StartError(f"preparing the database failed. The end of {log}:\n{tail(log)}")


def announce() -> None:
    """One write, so that a script which waits for `ready:` finds all lines."""
    from akashml import settings
    from akashml.runner import prepare

    address = f"http://127.0.0.1:{settings.PORT}"
    lines = [f"ready: {address}"]
    if not settings.PRODUCTION:
        recall = settings.INSTANCE.recall
        key = recall("api_key")
        lines += [
            f"api key: {key}",
            f"customer: {prepare.CUSTOMER} {recall('customer_password')}",
            f"staff: {prepare.STAFF} {recall('staff_password')}",
            shlex.join(
                [
                    "curl",
                    f"{address}/v1/chat/completions",
                    "-H",
                    f"Authorization: Bearer {key}",
                    "-H",
                    "Content-Type: application/json",
                    "-d",
                    QUESTION,
                ]
            ),
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def watch(supervisor: Supervisor, alarms: list[logs.Alarms]) -> NoReturn:
    """Restart what ends, and show warnings and errors of the web processes. Ends only by StopRequested."""
    while True:
        pause = supervisor.look_after()
        for alarm in alarms:
            for line in alarm.news():
                say(line)
        events.wait(pause)


if __name__ == "__main__":
    sys.exit(main())
