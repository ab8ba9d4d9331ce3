"""`make soak`: minutes of mixed traffic on the whole product while its processes are killed at random, and then the books are read.

The product is started like `make run` starts it, with two web processes, in DATA_DIR/soak; its own supervisor brings back what is
killed. At the end nothing may be held, no invariant broken, and every answer that ended well for its client must be in the log, charged
what it cost. A seed makes the choices of a run repeatable (not the machine's timing).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from akashml.runner.errors import StartError
from benchmarks import machine, ours
from benchmarks.contenders import MockBackend
from benchmarks.loads import LoadFailed

ROOT = Path(__file__).resolve().parent.parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="repeats the choices of an earlier run")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    folder = Path(os.environ.get("DATA_DIR") or ROOT / ".data") / "soak"
    home = folder / "instance"
    ours.set_environment(home)
    from benchmarks.soak.product import Product  # the settings are read from here on
    from benchmarks.soak.report import read_the_books
    from benchmarks.soak.traffic import Traffic
    from benchmarks.soak.violence import Violence

    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"soak: {options.minutes:g} minutes, --seed {seed}, logs in {folder}", flush=True)
    try:
        machine.require("cc")
        with ExitStack() as stack:
            cores = machine.cores()
            backend = MockBackend(folder, cores)
            backend.start(stack)
            product = Product(folder)
            product.start(stack)
            traffic = Traffic(product, backend, random.Random(seed))
            violence = Violence(product, random.Random(seed + 1))
            started = time.monotonic()
            asyncio.run(traffic.run(options.minutes * 60, violence))
            print(f"soak: {time.monotonic() - started:.0f} s of traffic, waiting for the last settlements", flush=True)
            return read_the_books(product, traffic, violence)
    except (machine.MissingProgram, LoadFailed, StartError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
