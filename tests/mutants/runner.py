"""Runs a mutant's tests in a process of their own and says which of them noticed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests import servers
from tests.mutants.guards import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.overlay import ROOT, VARIABLE

TIMEOUT_S = 300
# Native tracebacks: pytest itself trips over a frame without a line number, which Python 3.11 makes now and then.
OPTIONS = ["-q", "-p", "tests.mutants.overlay", "-p", "no:xdist", "-p", "no:cacheprovider", "--tb=native", "-rfE"]
# Worker numbers that pytest-xdist never gives: each mutant has databases of its own.
FIRST_WORKER = 1000
# What this process has in its environment and a fresh pytest must not find.
FOREIGN = ("DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE")
# A change that Postgres or Python cannot even read proves nothing about the guard.
NONSENSE = re.compile(r"psycopg\.errors\.(Syntax|Undefined|AmbiguousColumn|DatatypeMismatch)\w*|\b(Name|Import|Syntax|Indentation)Error\b")


@dataclass(frozen=True)
class Result:
    """`unnoticed` are the tests that passed with the guard off."""

    mutant: Mutant
    unnoticed: tuple[str, ...]
    nonsense: str
    seconds: float
    output: str

    @property
    def caught(self) -> bool:
        return not self.unnoticed and not self.nonsense

    def __str__(self) -> str:
        if self.nonsense:
            return f"nonsense: {self.nonsense}"
        return f"unnoticed by {', '.join(self.unnoticed)}" if self.unnoticed else "caught"


def run(mutant: Mutant) -> Result:
    """Needs the session's servers (tests/servers.py), which the environment names."""
    started = time.monotonic()
    worker = f"gw{FIRST_WORKER + MUTANTS.index(mutant)}"
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN and not name.startswith("PYTEST_")}
    environment |= {
        VARIABLE: mutant.name,
        "PYTEST_XDIST_WORKER": worker,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent / "site")]),
        "PYTHONPYCACHEPREFIX": str(servers.session().data_dir / "pycache"),
    }
    command = [sys.executable, "-m", "pytest", *OPTIONS, *mutant.tests]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False
    )
    _drop_databases(worker)
    failed = set(re.findall(r"^(?:FAILED|ERROR) ([^\s\[]+)", done.stdout, re.MULTILINE))
    unnoticed = tuple(test for test in mutant.tests if test not in failed)
    broken = NONSENSE.search(done.stdout)
    nonsense = broken.group() if broken else "" if done.returncode in (0, 1) else f"pytest ended with {done.returncode}"
    return Result(mutant, unnoticed, nonsense, time.monotonic() - started, done.stdout)


def _drop_databases(worker: str) -> None:
    with psycopg.connect(servers.database_url(servers.session(), "postgres"), autocommit=True) as connection:
        for name in (worker, f"{worker}_money", f"{servers.TEMPLATE}_{worker}"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
