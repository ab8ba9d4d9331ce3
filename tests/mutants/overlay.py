"""Puts the mutant that AKASHML_MUTANT names in the place of the product, in this process and in those it starts.

Python: an import hook compiles the changed text (`site/sitecustomize.py` installs it at the start of every interpreter whose
PYTHONPATH has that folder). SQL: as a pytest plugin, before any database is made, the template that they are copied from gets
the changed functions.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.mutants.guards import by_name
from tests.mutants.mutant import Mutant

VARIABLE = "AKASHML_MUTANT"
ROOT = Path(__file__).resolve().parents[2]


class _Loader(SourceFileLoader):
    """Compiles the changed text; never reads or writes the cache of compiled modules."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.mutant.apply(Path(path).read_text()).encode(), path)


class _Finder:
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.module = mutant.file.removesuffix(".py").replace("/", ".")

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None, f"mutant {self.mutant.name}: there is no module {fullname}"
        assert spec.origin is not None
        return importlib.util.spec_from_loader(fullname, _Loader(fullname, spec.origin, self.mutant))


def install_python() -> None:
    """Called at the start of an interpreter. Does nothing unless the mutant is one of Python."""
    mutant = by_name(os.environ[VARIABLE])
    if mutant.file.endswith(".py"):
        sys.meta_path.insert(0, _Finder(mutant))


def pytest_configure() -> None:
    """As a plugin of pytest: a template of this worker's own, with the mutant's functions, in the place of the session's."""
    import psycopg
    from psycopg import sql

    from tests import servers

    mutant = by_name(os.environ[VARIABLE])
    if mutant.file.endswith(".py"):
        return
    name = f"{servers.TEMPLATE}_{servers.worker()}"
    with psycopg.connect(servers.database_url(servers.session(), "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(servers.TEMPLATE)))
    with psycopg.connect(servers.database_url(servers.session(), name)) as connection:
        connection.execute(mutant.statement or mutant.apply((ROOT / mutant.file).read_text()))
    servers.TEMPLATE = name
