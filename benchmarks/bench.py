"""What every part of the benchmark works with: the cores, the backend, and the contenders that take part in this run."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from akashml.runner.postgres import MAJOR as POSTGRES_MAJOR
from benchmarks.contenders import Contender, MockBackend, Nginx
from benchmarks.litellm import LiteLLM
from benchmarks.loads import ANSWERS
from benchmarks.machine import Cores, describe, family, program, version
from benchmarks.ours import Ours

ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    """Progress: to the terminal, apart from the results."""
    print(text, file=sys.stderr, flush=True)


class Bench:
    """Everything that runs ends with `stack`. `rounds` and `seconds`: how often each measurement is made, and how long."""

    def __init__(self, folder: Path, cores: Cores, stack: ExitStack, *, rounds: int, seconds: float) -> None:
        self.folder, self.cores, self.stack = folder, cores, stack
        self.rounds, self.seconds = rounds, seconds
        os.sched_setaffinity(0, {cores.load})
        self.backend = MockBackend(folder, cores)
        self.nginx = Nginx(self.backend, folder, cores)
        self.ours = Ours(folder / "instance", self.backend, cores)
        self.litellm: LiteLLM | None = None
        say("starting the backend, nginx, Postgres and Valkey …")
        self.backend.start(stack)
        self.nginx.start(stack)
        self.ours.start(stack)
        self.ours.add_models(ANSWERS)

    def with_litellm(self) -> None:
        say("starting LiteLLM (the first time it is installed, which takes minutes) …")
        self.litellm = LiteLLM(self.backend, self.folder, self.cores)
        self.litellm.start(self.stack)

    def others(self) -> list[Contender]:
        """All contenders but ours."""
        return [self.backend, self.nginx, *([self.litellm] if self.litellm is not None else [])]

    def database(self) -> list[int]:
        """Postgres's processes."""
        assert self.ours.postgres is not None
        return family(self.ours.postgres.pid)

    def describe(self) -> str:
        """When, on what, with what."""
        commit = version("git", "-C", str(ROOT), "describe", "--always", "--dirty")
        nginx = version(program("nginx"), "-v").partition("/")[2]
        litellm = f", LiteLLM {self.litellm.version()}" if self.litellm is not None else ""
        today = datetime.now(UTC).date().isoformat()
        return (
            f"{today}, commit {commit}: {describe(self.folder)}; nginx {nginx}{litellm}, Postgres {POSTGRES_MAJOR}. "
            f"Medians of {self.rounds} rounds of {self.seconds:g} s."
        )
