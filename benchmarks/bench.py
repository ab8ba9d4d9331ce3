"""One run: the contenders, and the sections of the report that were asked for."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import loads
from benchmarks.contenders import MockBackend, Nginx
from benchmarks.machine import Cores, family
from benchmarks.ours import Ours
from benchmarks.report import Section
from benchmarks.rounds import Figures, interleave
from benchmarks.stats import ratio


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Bench:
    folder: Path
    cores: Cores
    stack: ExitStack
    sections: list[Section] = field(default_factory=list)

    def __post_init__(self) -> None:
        os.sched_setaffinity(0, {self.cores.load})
        self.backend = MockBackend(self.folder, self.cores)
        self.nginx = Nginx(self.backend, self.folder, self.cores)
        self.ours = Ours(self.folder / "instance", self.backend, self.cores)
        for part in (self.backend, self.nginx, self.ours):
            say(f"starting {getattr(part, 'name', 'Postgres and Valkey')} …")
            part.start(self.stack)

    def database(self) -> list[int]:
        assert self.ours.postgres is not None
        return family(self.ours.postgres.pid)

    def throughput(self, rounds: int, seconds: float) -> None:
        asked = [loads.WHOLE_64, loads.WHOLE_1, loads.BURST_64]
        self.ours.add_models([load.answer for load in asked[1:]])
        with self.ours.gateway() as gateway:
            contenders = [self.backend, self.nginx, gateway]
            samples = interleave(contenders, asked, rounds, seconds, self.cores, self.folder, self.database, say)
        header = [
            "",
            "requests/s",
            "CPU µs",
            "of nginx's",
            "database µs",
            "p50 ms",
            "p99 ms",
            "added p50",
            "added p99",
            "load core",
            "others",
        ]
        for load in asked:
            section = Section(load.name[0].upper() + load.name[1:], header)
            figures = {contender.name: Figures.of(samples[contender.name, load]) for contender in contenders}
            direct = figures["direct"]
            for name, f in figures.items():
                in_between = name != "direct"
                section.rows.append(
                    [
                        name,
                        f"{f.per_second:,.0f}",
                        f"{f.cpu_us:,.0f}",
                        ratio(f.cpu_us, figures["nginx"].cpu_us) if in_between else "–",
                        f"{f.database_us:,.0f}" if name == "ours" else "–",
                        f"{f.p50_us / 1e3:,.2f}",
                        f"{f.p99_us / 1e3:,.2f}",
                        f"{(f.p50_us - direct.p50_us) / 1e3:,.2f}" if in_between else "–",
                        f"{(f.p99_us - direct.p99_us) / 1e3:,.2f}" if in_between else "–",
                        f"{f.load_core_share:.0%}",
                        f"{f.others_share:.0%}",
                    ]
                )
            print(f"\n{section.text()}", flush=True)
        print(f"\n{self.ours.check_ledger()}", flush=True)
