"""`make bench`: the gateway with everything on, beside the backend alone, nginx and LiteLLM. See docs/performance.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from akashml.runner import lock
from akashml.runner.errors import StartError
from benchmarks import machine, ours
from benchmarks.loads import BURST_64, WHOLE_1, WHOLE_64, LoadFailed
from benchmarks.report import Section

ROOT = Path(__file__).resolve().parent.parent
THROUGHPUT = {"whole64": WHOLE_64, "whole1": WHOLE_1, "burst64": BURST_64}
PARTS = [*THROUGHPUT, "paced", "prompts", "accounts", "processes"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: the backend alone, nginx and ours, under the three main loads")
    parser.add_argument("--only", nargs="+", metavar="PART", choices=PARTS, help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each load is put on each contender (default 5, quick 2)")
    parser.add_argument("--seconds", type=int, metavar="S", help="how long each time (default 8, quick 3)")
    parser.add_argument(
        "--profile",
        nargs="?",
        const="whole64",
        choices=THROUGHPUT,
        metavar="LOAD",
        help="sample our gateway's stacks under this load instead",
    )
    parser.add_argument("--native", action="store_true", help="with --profile: frames of C too")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that everything that was started ends
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench"
    try:
        held = lock.take(folder)  # noqa: F841 - held until we end
        machine.allow_many_connections()
        ours.set_environment(folder / "instance")
        with ExitStack() as stack:
            run(options, folder, stack)
    except (machine.MissingProgram, LoadFailed, StartError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    from benchmarks import flame, growth, paced, throughput
    from benchmarks.bench import Bench

    rounds = options.rounds or (2 if options.quick else 5)
    seconds = options.seconds or (10 if options.profile else 3 if options.quick else 8)
    bench = Bench(folder, machine.cores(), stack, rounds=rounds, seconds=seconds)
    if options.profile:
        raw, graph = flame.profile(bench, THROUGHPUT[options.profile], options.native)
        for frame, own, anywhere in flame.heaviest(raw):
            print(f"{own:6.1%} {anywhere:6.1%}  {frame}")
        print(f"(on top, anywhere on the stack)\nraw stacks: {raw}\nflame graph: {graph}")
        return
    if not options.quick and not options.without_litellm:
        bench.with_litellm()
    parts = options.only or (list(THROUGHPUT) if options.quick else PARTS)

    def show(*sections: Section) -> None:
        for section in sections:
            print(f"\n{section.text()}", flush=True)

    if asked := [load for name, load in THROUGHPUT.items() if name in parts]:
        show(*throughput.sections(throughput.measure(bench, asked)))
    if "paced" in parts:
        show(paced.section(paced.measure(bench)))
    if "prompts" in parts:
        show(growth.prompts(bench))
    if "accounts" in parts:
        show(growth.accounts(bench)[0])
    if "processes" in parts:
        show(growth.processes(bench)[0])
    print(f"\n{bench.ours.check_ledger()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
