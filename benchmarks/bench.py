"""What every part of the benchmark works with: the cores, the backend, and the contenders that take part in this run."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contenders import Contender, MockBackend, Nginx
from benchmarks.litellm import LiteLLM
from benchmarks.loads import ANSWERS
from benchmarks.machine import Cores, family
from benchmarks.ours import Ours


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
