"""`python -m tests.mutants [NAME …]`: switches each guard off in turn and prints which tests notice. Exits with 1 when one does not."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from tests import servers
from tests.mutants.guards import MUTANTS, by_name
from tests.mutants.runner import run


def main() -> None:
    chosen = [by_name(name) for name in sys.argv[1:]] or MUTANTS
    servers.set_environment()
    session = servers.SessionServers()
    try:
        session.start()
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            results = []
            for result in pool.map(run, chosen):
                results.append(result)
                print(f"{result.mutant.name:38} {result.seconds:5.1f} s  {result}", flush=True)
    finally:
        session.stop()
    for result in (missed := [r for r in results if not r.caught]):
        print(f"\n=== {result.mutant.name}: {result.mutant.guard}\n{result.output[-4_000:]}")
    print(f"\n{len(results) - len(missed)} of {len(results)} guards are watched.")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
