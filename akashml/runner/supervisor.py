"""Keeping the product's processes alive, and ending them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from akashml.runner import events
from akashml.runner.errors import StartError

STEADY_S = 10  # a process that lived so long and then ended is restarted at once
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 10


@dataclass
class Child:
    """One process that is to run. `grace_s`: how long it may take to stop before it is killed."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 4
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0
    quick_ends: int = 0
    retry_at: float = 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.started_at = time.monotonic()
        self.process = self.launch()

    def sweep(self) -> None:
        """End what an ended process left behind in its session (the pool of a killed worker)."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def delay(self) -> float:
        """Seconds until the next start: none after a long life or a first mishap, then doubling."""
        self.quick_ends = 0 if time.monotonic() - self.started_at >= STEADY_S else self.quick_ends + 1
        return 0 if self.quick_ends <= 1 else min(FIRST_DELAY_S * 2 ** (self.quick_ends - 2), LONGEST_DELAY_S)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Supervisor:
    """Holds the children in the order they were started; `stop` goes the other way round, group by group."""

    def __init__(self) -> None:
        self.groups: list[list[Child]] = []

    def add(self, *children: Child) -> None:
        """Start a group of children, which will also be stopped together, before those that were added earlier."""
        self.groups.append(list(children))
        for child in children:
            child.start()

    def adopt(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        """Look after a process that runs already, as a group of its own."""
        child.process, child.started_at = process, time.monotonic()
        self.groups.append([child])

    @property
    def children(self) -> list[Child]:
        return [child for group in self.groups for child in group]

    def look_after(self) -> float:
        """Restart what has ended, servers first. Returns the seconds after which to look again."""
        now = time.monotonic()
        soon = 1.0
        for child in self.children:
            if child.alive:
                continue
            if child.process is not None:
                child.sweep()
                delay = child.delay()
                say(f"{child.name} {_how(child.process.returncode)}: starting it again{f' in {delay:g} s' if delay else ''}")
                child.process, child.retry_at = None, now + delay
            if child.retry_at <= time.monotonic():
                self._restart(child)
            else:
                soon = min(soon, child.retry_at - now)
        return soon

    def _restart(self, child: Child) -> None:
        try:
            child.start()
        except (StartError, OSError) as error:
            delay = max(child.delay(), FIRST_DELAY_S)
            say(f"{child.name} could not be started, trying again in {delay:g} s: {error}")
            child.retry_at = time.monotonic() + delay

    def stop(self) -> None:
        """Stop every group in turn, the latest first: ask, wait up to its grace, then kill."""
        for group in reversed(self.groups):
            stop_together(group)
        self.groups.clear()


def stop_together(children: Sequence[Child]) -> None:
    asked_at = time.monotonic()
    for child in children:
        if child.process is not None and child.alive:
            child.process.send_signal(child.stop_signal)
    for child in children:
        if child.process is None:
            continue
        deadline = asked_at + child.grace_s
        while child.alive and (left := deadline - time.monotonic()) > 0:
            with suppress(events.StopRequested):  # asked again: we are at it
                events.wait(left)
        if child.alive:
            say(f"{child.name} did not stop within {child.grace_s:g} s: killed")
            child.process.kill()
            child.process.wait()
        child.sweep()


def _how(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"
