"""The embedded Postgres starts after crashes, beside stale files, under awkward paths, and though we are root; data survives."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from akashml.instance import Instance
from akashml.runner import unprivileged
from tests.servers import OwnServer, own_postgres, own_valkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def query(server: OwnServer, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url.replace("/akashml?", "/postgres?"), autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def test_after_a_crash_what_was_committed_is_there(tmp_path: Path) -> None:
    with own_postgres(tmp_path) as server:
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        assert (tmp_path / "postgres" / "postmaster.pid").exists()
        server.start()
        assert query(server, "SELECT answer FROM kept") == [(42,)]
        assert query(server, "SHOW fsync") == [("on",)]


def test_an_earlier_server_that_still_runs_is_stopped_first(tmp_path: Path) -> None:
    with own_postgres(tmp_path) as earlier:
        query(earlier, "CREATE TABLE kept AS SELECT 42 AS answer")
        with own_postgres(tmp_path) as server:
            assert earlier.process is not None
            assert earlier.process.wait(5) == 0  # asked to stop, not killed
            assert query(server, "SELECT answer FROM kept") == [(42,)]


def test_a_lock_file_with_the_number_of_another_program_is_no_obstacle(tmp_path: Path) -> None:
    with own_postgres(tmp_path) as server:
        server.kill()
        lock = tmp_path / "postgres" / "postmaster.pid"
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        server.start()
        assert query(server, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("name", ["with spaces, 'quotes' and ünïcode", "long" * 30], ids=["odd", "long"])
def test_any_data_dir_will_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with own_postgres(folder) as postgres, own_valkey(folder) as valkey:
        assert query(postgres, "SELECT 1") == [(1,)]
        assert valkey.server.ready()
        assert (folder / "valkey" / "appendonlydir").is_dir()


def test_only_the_owner_may_enter_and_no_port_is_open(tmp_path: Path) -> None:
    with own_postgres(tmp_path) as server:
        assert Instance(tmp_path).socket_dir.stat().st_mode & 0o077 == 0
        assert server.process is not None
        assert psutil.Process(server.process.pid).net_connections("inet") == []
        assert query(
            server, "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'postgres'"
        ) == [("b", "C.UTF-8", "UTF8")]


@as_root
def test_root_runs_it_as_another_user_where_namespaces_are_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(user: object) -> None:
        raise PermissionError

    with own_postgres(tmp_path) as server:
        query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    with monkeypatch.context() as patch:
        patch.setattr(unprivileged, "enter_namespace", forbidden)
        with own_postgres(tmp_path) as server:
            assert server.process is not None
            assert psutil.Process(server.process.pid).uids().real != 0
            assert query(server, "SELECT answer FROM kept") == [(42,)]
            os.kill(server.process.pid, signal.SIGINT)
            assert server.process.wait(10) == 0
    with own_postgres(tmp_path) as server:  # and back again, where they are allowed
        assert query(server, "SELECT answer FROM kept") == [(42,)]
