"""The machine under the benchmark: which core is whose, what a process has used of it, and programs that must be there."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Where each program that we call comes from.
DEBIAN_PACKAGES = {"cc": "gcc libc6-dev", "wrk": "wrk", "nginx": "nginx-light"}


class MissingProgram(Exception):
    """Programs are not installed; the text names their Debian packages."""

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        super().__init__(
            f"not installed: {', '.join(names)}. On Debian and Ubuntu: apt install {' '.join(DEBIAN_PACKAGES[name] for name in names)}"
        )


def program(name: str) -> str:
    """The path of a program. Raises MissingProgram."""
    found = _find(name)
    if found is None:
        raise MissingProgram([name])
    return found


def require(*names: str) -> None:
    """Raises MissingProgram for those that are not there, all at once."""
    if missing := [name for name in names if _find(name) is None]:
        raise MissingProgram(missing)


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Cores:
    """`gateway` is for what is measured alone, `load` for all else: load generator, backend, Postgres, and us."""

    gateway: int
    load: int


def cores() -> Cores:
    """The last and the first core that we may use. Raises OSError when there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise OSError("The benchmark needs two cores: one for the gateway, one for everything else.")
    return Cores(gateway=usable[-1], load=usable[0])


@contextmanager
def pinned(*numbers: int) -> Iterator[None]:
    """What is started inside runs on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, numbers)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """A process and its descendants, as far as they live."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue  # it ended meanwhile
    return found


def cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """CPU time that each process has used so far, user and system, all threads, in nanoseconds. Those that ended are left out."""
    used = {}
    for pid in pids:
        try:
            used[pid] = time.clock_gettime_ns(~pid << 3 | 2)  # how Linux names the CPU clock of another process
        except OSError:
            continue
    return used


def spent_ns(before: dict[int, int], after: dict[int, int]) -> int:
    """CPU time between two readings; a process that began in between counts whole, one that ended not at all."""
    return sum(now - before.get(pid, 0) for pid, now in after.items())


def memory_bytes(pids: Iterable[int]) -> int:
    """Resident memory of some processes together, pages they share counted once for each."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def busy_ns(core: int) -> int:
    """How long a core has been working since the machine started, whoever it was for; in steps of a tick (10 ms)."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(part) for part in line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    raise OSError(f"no core {core} in /proc/stat")


def allow_many_connections() -> None:
    """A thousand streams are a thousand connections of ours and of the backend, two thousand of nginx: as many as we may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def sync_ms(folder: Path) -> float:
    """How long the disk takes to keep 8 kB, in milliseconds: the median of a hundred writes, each waited for as Postgres waits at a commit.

    No answer of ours comes sooner after its backend's, since its charge is on the disk before its last frame is sent."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(100):
            os.pwrite(file.fileno(), os.urandom(8192), 0)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


def describe(folder: Path) -> str:
    """One line for the head of the results; `folder` is on the disk that Postgres writes to."""
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}, a sync of the disk {sync_ms(folder):.1f} ms"
    )


def version(*command: str) -> str:
    """The first line of what a program says about itself."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]
