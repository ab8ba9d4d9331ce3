"""Our gateway as it runs for customers: real Postgres (fsync on) and Valkey, keys with limits, holds, ledger, log, checkpoints.

An instance of its own under DATA_DIR/bench, made afresh for each run, so that runs compare; the web processes are started by the very
commands of `make run` (akashml.runner.programs). The environment must be set (`set_environment`) before anything imports the settings.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from akashml.instance import Instance
from akashml.runner import readiness, servers
from akashml.runner.listeners import bind
from akashml.runner.postgres import Postgres
from akashml.runner.supervisor import Child
from akashml.runner.valkey import Valkey
from benchmarks.contenders import MockBackend, stop
from benchmarks.loads import Load, LoadFailed, model_name
from benchmarks.machine import Cores, family, pinned

if TYPE_CHECKING:
    from apps.accounts.models import Account

ROOT = Path(__file__).resolve().parent.parent
# What the caller's shell says about another instance must not reach this one.
FOREIGN = (
    "DATABASE_URL",
    "REDIS_URL",
    "ENVIRONMENT",
    "SECRET_KEY",
    "KEY_PEPPER",
    "LEASE_S",
    "LOG_LEVEL",
    "WEB_CONCURRENCY",
    "PORT",
    "BASE_URL",
)
CROWD = 1000
CREDIT_NANO = 1_000_000 * 10**9
PRICES_PICO = {"input_pico": 130_000, "cached_input_pico": 13_000, "output_pico": 400_000, "request_pico": 0}
# In force and counted at every request, and never reached.
LIMITS = {"rpm": 1_000_000, "tpm": 1_000_000_000_000, "max_concurrent": 100_000}


def set_environment(home: Path) -> None:
    """Make `home` the DATA_DIR of this process and of those it starts, empty, and the processes gateways."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, mode=0o700)
    os.environ.update(DATA_DIR=str(home), SERVE="gateway", DJANGO_SETTINGS_MODULE="akashml.settings", DRAIN_S="3")


@dataclass
class Gateway:
    """One or more gateway processes on one socket. `core_of` names their cores, in turn."""

    name: str
    tokens: list[str]
    listener: socket.socket
    children: list[Child]
    logs: list[Path]
    core_of: Sequence[int]
    slowness: int = 1

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def begin(self) -> None:
        """Start the processes that do not run, each on its core."""
        for number, child in enumerate(self.children):
            if not child.alive:
                with pinned(self.core_of[number % len(self.core_of)]):
                    child.start()

    def wait_ready(self) -> None:
        """Raises StartError."""
        readiness.wait_for(self.children, self.logs, self.port, "/readyz")

    def stop(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            stop(process)

    def url(self, load: Load) -> str:
        return f"http://127.0.0.1:{self.port}{'/anthropic/v1/messages' if load.messages else '/v1/chat/completions'}"

    def pids(self) -> list[int]:
        return [pid for child in self.children if child.process is not None for pid in family(child.process.pid)]


class Ours:
    """The instance: servers, one customer with a key, a model for each answer of the backend. `home` is its DATA_DIR."""

    def __init__(self, home: Path, backend: MockBackend, cores: Cores) -> None:
        self.home, self.backend, self.cores = home, backend, cores
        self.instance = Instance(home)
        self.logs = home.parent / "logs"  # these are kept
        self.postgres: subprocess.Popen[bytes] | None = None
        self.tokens: list[str] = []
        self._made = 0

    def start(self, stack: ExitStack) -> None:
        """Servers, migrations, the customer. Everything ends with `stack`, data included; logs stay."""
        stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        logs = self.logs
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        with pinned(self.cores.load):
            for server in (Postgres(self.instance, logs / "postgres.log"), Valkey(self.instance, logs / "valkey.log")):
                process = servers.start(server)
                stack.callback(servers.stop, server, process)
                if isinstance(server, Postgres):
                    self.postgres = process
                    server.create_database()
        manage("migrate", "--verbosity", "0")
        import django

        django.setup()
        self.tokens = [self.customer()[1]]

    def customer(self) -> tuple[int, str]:
        """A new account with credit; returns its id and its key, which has every limit."""
        from apps.accounts.actions import create_account_for
        from apps.api_keys.actions import Limits, create_key
        from apps.billing.credits import grant_credit
        from apps.billing.models import PoolKind

        self._made += 1
        account: Account = create_account_for(f"customer-{self._made}@example.com").account
        grant_credit(account.pk, CREDIT_NANO, PoolKind.PURCHASED, f"bench:{self._made}")
        return account.pk, create_key(account, "bench", Limits(**LIMITS))[1]

    @cached_property
    def crowd(self) -> list[str]:
        """The keys of a thousand customers."""
        from django.db import transaction

        with transaction.atomic():
            return [self.customer()[1] for _ in range(CROWD)]

    def add_models(self, answers: Sequence[str]) -> None:
        """A model for each answer."""
        from apps.catalog.actions import save_backend, save_model

        for answer in answers:
            model, _ = save_model(model_name(answer), {"context_length": 1_000_000}, PRICES_PICO)
            save_backend(model, self.backend.base_url(answer), {"upstream_model": "mock-model"})

    @contextmanager
    def gateway(self, processes: int = 1, core_of: Sequence[int] = (), name: str = "ours", tokens: Sequence[str] = ()) -> Iterator[Gateway]:
        """Gateway processes on one socket, on the gateway's core unless `core_of` names others."""
        from akashml.runner.programs import Programs

        listener = bind(0)
        programs = Programs(self.logs, listener, assistant_listener=listener, simulator_listener=listener)  # neither is started
        numbers = range(1, processes + 1)
        children, logs = [programs.web(number) for number in numbers], [programs.log(f"web-{number}") for number in numbers]
        gateway = Gateway(name, list(tokens) or self.tokens, listener, children, logs, core_of or (self.cores.gateway,))
        try:
            gateway.begin()
            gateway.wait_ready()
            yield gateway
        finally:
            gateway.stop()
            listener.close()

    def open_holds(self) -> int:
        from apps.gateway.models import Hold

        return Hold.objects.count()

    def check_ledger(self) -> str:
        """One line about the books. Raises LoadFailed when an invariant is broken."""
        from apps.gateway.ledger_check import check

        report = check()
        if not report.ok:
            raise LoadFailed("check_ledger: BROKEN\n" + "\n".join(f"{v.invariant}: {v.detail}" for v in report.violations))
        t = report.totals
        return f"check_ledger: ok ({t['inferences']:,} inferences, {t['revenue'] / 1e9:,.6f} USD charged, {t['open_holds']} open holds)"


def manage(*arguments: str) -> None:
    """Run a management command. Raises LoadFailed with what it printed."""
    done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LoadFailed(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
