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
from benchmarks.loads import LoadFailed

ROOT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute: direct, nginx and ours, the three main loads, no report")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each load is put on each contender (default 5, quick 2)")
    parser.add_argument("--seconds", type=int, metavar="S", help="how long each time (default 8, quick 3)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that everything that was started ends
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench"
    try:
        held = lock.take(folder)  # noqa: F841 - held until we end
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
    from benchmarks.bench import Bench

    bench = Bench(folder, machine.cores(), stack)
    bench.throughput(options.rounds or (2 if options.quick else 5), options.seconds or (3 if options.quick else 8))


if __name__ == "__main__":
    sys.exit(main())
