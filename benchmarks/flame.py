"""Where the time of a gateway under load goes: its stacks, sampled by py-spy."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

from akashml.runner.process import spawn, tail
from benchmarks.bench import Bench, say
from benchmarks.loads import Load, LoadFailed, finish, put

RATE = 500  # samples a second
# Threads of the pool that wait for work; py-spy takes them for busy.
IDLE = ("_worker (concurrent/futures/thread.py",)


def profile(bench: Bench, load: Load, native: bool) -> list[Path]:
    """Put `load` on our gateway and sample it for `bench.seconds`. Returns the files: raw stacks with counts, and a flame graph.

    Raises LoadFailed when py-spy may not look at the process (other than root needs ptrace to be allowed)."""
    seconds = round(bench.seconds)
    name = load.answer.replace("/", "-") + f"-{load.connections}"
    made = []
    with bench.ours.gateway() as gateway:
        put(load, gateway.url(load), gateway.tokens, 2, bench.folder)
        for form, suffix in (("raw", "txt"), ("flamegraph", "svg")):
            target, log = bench.folder / f"profile-{name}.{suffix}", bench.folder / "py-spy.log"
            log.unlink(missing_ok=True)
            command = [
                *(Path(sys.executable).with_name("py-spy"), "record", "--pid", str(gateway.pids()[0]), "--output", target),
                *("--format", form, "--rate", str(RATE), "--duration", str(seconds), *(["--native"] if native else [])),
            ]
            say(f"sampling for {seconds} s, {load.name} → {target}")
            spy = spawn(command, log=log, death_signal=signal.SIGKILL, env=os.environ | {"TERM": "dumb"})
            put(load, gateway.url(load), gateway.tokens, seconds + 1, bench.folder)
            if finish(spy, 60) != 0 or not target.exists():
                raise LoadFailed(f"py-spy failed:\n{tail(log)}")
            made.append(target)
    return made


def heaviest(raw: Path, most: int = 40) -> list[tuple[str, float, float]]:
    """(function, share of samples with it on top, share with it anywhere on the stack), most time on top first."""
    own: Counter[str] = Counter()
    anywhere: Counter[str] = Counter()
    total = 0
    for line in raw.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] if frame.rpartition(":")[2].rstrip(")").isdecimal() else frame for frame in stack.split(";")]
        if frames[-1].startswith(IDLE):
            continue
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            anywhere[frame] += int(count)
    return [(frame, count / total, anywhere[frame] / total) for frame, count in own.most_common(most)] if total else []


def show(raw: Path, graph: Path) -> None:
    print("on top  anywhere on the stack")
    for frame, own, anywhere in heaviest(raw):
        print(f"{own:6.1%} {anywhere:6.1%}  {frame}")
    print(f"raw stacks:  {raw}\nflame graph: {graph}")
