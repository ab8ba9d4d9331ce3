"""`make run` (here without make) starts the whole product, keeps it running, and says where it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.ports import free_port
from tests.runner.instances import Runner, environment, processes_of, until
from tests.servers import ROOT


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("one command") / "data", free_port(), WEB_CONCURRENCY="1").wait_ready()
    yield runner
    if runner.process.poll() is None:
        runner.process.kill()
    runner.wait_ended()


def test_it_prints_where_it_is_and_who_may_enter(runner: Runner) -> None:
    beginnings = [line.split(" ")[0] for line in runner.lines]
    assert beginnings == ["ready:", "api", "customer:", "staff:", "curl"]
    assert runner.said("ready: ") == f"http://127.0.0.1:{runner.port}"
    assert runner.said("api key: ").startswith("akml-")
    assert runner.said("customer: ").startswith("customer@example.com ")
    assert runner.said("staff: ").startswith("staff@example.com ")


def test_the_printed_curl_gets_an_answer_from_the_built_in_model(runner: Runner) -> None:
    command = shlex.split(next(line for line in runner.lines if line.startswith("curl ")))
    answer = json.loads(
        subprocess.run([*command, "--silent", "--show-error"], capture_output=True, text=True, timeout=30, check=True).stdout
    )
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(("who", "page"), [("customer", "/settings/security"), ("staff", "/admin/")])
def test_the_printed_log_ins_log_in(runner: Runner, who: str, page: str) -> None:
    email, password = runner.said(f"{who}: ").split()
    with httpx.Client(base_url=f"http://127.0.0.1:{runner.port}", follow_redirects=True) as browser:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/login").text)
        assert token
        browser.post("/accounts/login/", data={"login": email, "password": password, "csrfmiddlewaretoken": token[1], "next": page})
        answer = browser.get(page)
        assert (answer.status_code, answer.url.path) == (200, page)
        assert email in answer.text


def test_the_secrets_can_be_read_by_their_owner_alone(runner: Runner) -> None:
    files = list((runner.data_dir / "secrets").iterdir())
    assert {"secret_key", "key_pepper", "api_key", "customer_password", "staff_password"} <= {file.name for file in files}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((runner.data_dir / "secrets").stat().st_mode) == 0o700


def test_it_listens_on_the_loopback_address_only_and_its_servers_on_no_port(runner: Runner) -> None:
    listening = set()
    for child in psutil.Process(runner.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # one that ended meanwhile listens to nothing
            sockets = [connection for connection in child.net_connections("inet") if connection.status == psutil.CONN_LISTEN]
            listening |= {(connection.laddr.ip, " ".join(child.cmdline())) for connection in sockets}
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert all("uvicorn" in command for _, command in listening)


def test_management_commands_find_the_running_instance_by_its_data_dir(runner: Runner) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check_ledger", "--json"],
        cwd=ROOT,
        env=environment(DATA_DIR=str(runner.data_dir)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["ok"] is True, done.stdout + done.stderr


def test_a_second_start_on_the_same_data_is_refused(runner: Runner) -> None:
    second = Runner(runner.data_dir, free_port())
    assert second.wait_ended() == 1
    assert f"DATA_DIR={runner.data_dir} is in use" in "\n".join(second.errors)
    assert runner.status("/readyz") == 200


def test_a_port_that_is_taken_is_named(runner: Runner, tmp_path: Path) -> None:
    second = Runner(tmp_path / "data", runner.port)
    assert second.wait_ended() == 1
    assert f"port {runner.port}" in "\n".join(second.errors)
    assert "PORT" in "\n".join(second.errors)
    assert processes_of(tmp_path / "data") == []


@pytest.mark.parametrize(
    "pattern",
    [r"uvicorn akashml\.asgi", r"celery .* worker", r"celery .* beat", r"uvicorn apps\.docs_assistant", r"valkey-server", r"bin/postgres"],
)
def test_a_process_that_is_killed_comes_back_and_the_rest_goes_on(runner: Runner, pattern: str) -> None:
    before = {child.pid for child in psutil.Process(runner.process.pid).children()}
    (victim,) = runner.children(pattern)
    victim.kill()
    until(lambda: [child.pid for child in runner.children(pattern)] not in ([], [victim.pid]), 10, f"{pattern} runs again")
    until(lambda: runner.status("/readyz") == 200, 20, "ready again")
    now = {child.pid for child in psutil.Process(runner.process.pid).children()}
    assert before - now == {victim.pid}


def test_ctrl_c_leaves_no_process_and_the_next_start_finds_everything_as_it_was(runner: Runner) -> None:
    first = list(runner.lines)
    runner.interrupt()
    assert runner.wait_ended() == 0
    assert processes_of(runner.data_dir) == []

    again = Runner(runner.data_dir, runner.port).wait_ready()
    try:
        assert again.lines == first
        test_the_printed_curl_gets_an_answer_from_the_built_in_model(again)
        os.kill(again.process.pid, signal.SIGKILL)  # this time without any farewell
        again.wait_ended()
        until(lambda: processes_of(again.data_dir) == [], 5, "all children follow a runner that was killed")
    finally:
        again.process.kill()
        again.wait_ended()


def test_sigterm_while_starting_leaves_no_process(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", free_port())
    until(lambda: (tmp_path / "data" / "logs" / "prepare.log").exists(), 30, "the servers run")
    runner.process.terminate()
    assert runner.wait_ended() == 0
    assert processes_of(tmp_path / "data") == []
