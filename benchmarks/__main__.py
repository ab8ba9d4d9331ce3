"""`make bench`: the gateway with everything on, beside the backend alone, nginx and LiteLLM. See docs/performance.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from akashml.runner import lock
from akashml.runner.errors import StartError
from benchmarks import machine, ours
from benchmarks.loads import BURST_64, WHOLE_1, WHOLE_64, LoadFailed

if TYPE_CHECKING:
    from benchmarks.bench import Bench

ROOT = Path(__file__).resolve().parent.parent
THROUGHPUT = {"whole64": WHOLE_64, "whole1": WHOLE_1, "burst64": BURST_64}
PARTS = [*THROUGHPUT, "dialects", "paced", "prompts", "accounts", "processes", "drift"]
STOPPED = 130


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: the backend alone, nginx and ours, under the three main loads")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS, help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--without-litellm", action="store_true", help="nothing is compared with LiteLLM, nor is it installed")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each load is put on each contender (default 5, quick 2)")
    parser.add_argument("--seconds", type=int, metavar="S", help="how long each time (default 8, quick 3)")
    parser.add_argument("--write", action="store_true", help="put the results into docs/performance.md, in place of the last ones")
    parser.add_argument(
        "--profile", nargs="?", const="whole64", choices=THROUGHPUT, metavar="LOAD", help="sample our gateway's stacks instead"
    )
    parser.add_argument("--native", action="store_true", help="with --profile: frames of C too")
    options = parser.parse_args()
    if options.write and (options.quick or options.only or options.without_litellm):
        parser.error("--write is for whole runs: it would replace the results of all parts")
    return options


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # an exception, so that everything that was started ends
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(STOPPED))
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench"
    try:
        machine.require("cc", "wrk", "nginx")
        held = lock.take(folder)  # noqa: F841 - held until we end
        machine.allow_many_connections()
        ours.set_environment(folder / "instance")
        with ExitStack() as stack:
            return run(options, folder, stack)
    except (machine.MissingProgram, LoadFailed, StartError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return STOPPED


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> int:
    """Returns the exit status: 1 when the books drifted further than they may."""
    from benchmarks import flame
    from benchmarks.bench import Bench

    rounds = options.rounds or (2 if options.quick else 5)
    seconds = options.seconds or (10 if options.profile else 3 if options.quick else 8)
    bench = Bench(folder, machine.cores(), stack, rounds=rounds, seconds=seconds)
    if options.profile:
        flame.show(*flame.profile(bench, THROUGHPUT[options.profile], options.native))
        return 0
    parts = options.only or (list(THROUGHPUT) if options.quick else PARTS)
    if not options.quick and not options.without_litellm and {*THROUGHPUT, "paced"} & {*parts}:
        bench.with_litellm()
    return measure(bench, parts, kills=3 if options.quick else 8, write=options.write)


def measure(bench: Bench, parts: list[str], kills: int, write: bool) -> int:
    """Measures the parts, each printed when it is done, then the report of all of them."""
    from benchmarks import dialects, drift, growth, paced, report, targets, throughput

    reached: dict[str, float] = {}
    sections: list[report.Section] = []

    def note(*new: report.Section) -> None:
        sections.extend(new)
        for section in new:
            print(f"\n{section.text()}", flush=True)

    if loads := [load for name, load in THROUGHPUT.items() if name in parts]:
        figures = throughput.measure(bench, loads)
        reached |= throughput.targets(figures)
        note(*throughput.sections(figures))
    if "dialects" in parts:
        section, reached["messages_cpu"] = dialects.measure(bench)
        note(section)
    if "paced" in parts:
        watched = paced.measure(bench)
        reached |= paced.targets(watched)
        note(paced.section(watched))
    if "prompts" in parts:
        note(growth.prompts(bench))
    if "accounts" in parts:
        section, reached["hot_account_per_second"] = growth.accounts(bench)
        note(section)
    if "processes" in parts:
        section, reached["two_processes"] = growth.processes(bench)
        note(section)
    drifted = drift.measure(bench, kills) if "drift" in parts else None
    if drifted:
        reached["overcharged_usd"] = drifted.overcharged / 1e9
        note(drift.section(drifted))
    note(targets.section(reached))
    ledger = bench.ours.check_ledger()
    print(f"\n{ledger}", flush=True)

    text = "\n\n".join([bench.describe(), sections[-1].text(), *(section.text() for section in sections[:-1]), f"`{ledger}`"])
    (bench.folder / "results.md").write_text(text + "\n")
    if write:
        document = ROOT / "docs" / "performance.md"
        document.write_text(report.insert(document.read_text(), text))
    print(f"\nThe same as Markdown: {document if write else bench.folder / 'results.md'}", flush=True)
    return 0 if drifted is None or drifted.kept else 1


if __name__ == "__main__":
    sys.exit(main())
