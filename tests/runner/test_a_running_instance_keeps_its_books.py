"""A whole instance with a gateway process for each core, called through OpenAI's SDK: whatever happens to it, the books balance."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from tests.fakes.backend import FakeBackend
from tests.ports import free_port
from tests.runner.instances import Runner, environment, until
from tests.servers import ROOT

LEASE_S = 4
QUESTION: Any = [{"role": "user", "content": "What does a refusal cost?"}]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    runner = Runner(tmp_path_factory.mktemp("books") / "data", free_port(), WEB_CONCURRENCY="2", LEASE_S=str(LEASE_S)).wait_ready()
    yield runner
    if runner.process.poll() is None:
        runner.process.kill()
    runner.wait_ended()


def manage(runner: Runner, *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(DATA_DIR=str(runner.data_dir)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def books(runner: Runner) -> dict[str, Any]:
    """What check_ledger says; it fails the test when an invariant is broken."""
    report: dict[str, Any] = json.loads(manage(runner, "check_ledger", "--json"))
    assert report["ok"], report["violations"]
    return report


def sdk(runner: Runner, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{runner.port}/v1", api_key=key, max_retries=0)


def new_key(runner: Runner, email: str, credit: str) -> str:
    manage(runner, "create_account", "--email", email, "--credit", credit)
    return manage(runner, "create_api_key", "--email", email, "--name", "books")


def test_the_sdk_gets_the_same_answer_streamed_and_whole(runner: Runner) -> None:
    with sdk(runner, runner.said("api key: ")) as client:
        fields: dict[str, Any] = {"model": "akashml/docs-assistant", "messages": QUESTION}
        whole = client.chat.completions.create(**fields)
        chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert books(runner)["open_holds"] == 0


def test_two_hundred_calls_at_once_on_credit_for_ten(runner: Runner, backend: FakeBackend) -> None:
    # Nothing for the prompt and $1 for a thousand output tokens: ten calls of ten tokens are ten cents.
    backend.reply(chunks=["x"] * 10, prompt_tokens=5, completion_tokens=10)
    manage(runner, "add_model", "books/dear", "--output-price", "1000")
    manage(runner, "add_backend", "books/dear", backend.base_url)
    key = new_key(runner, "poor@example.com", "0.10")
    gate = backend.gate("before_headers")

    def call(client: openai.OpenAI) -> int:
        try:
            client.chat.completions.create(model="books/dear", messages=QUESTION, max_tokens=10)
        except openai.APIStatusError as error:
            return error.status_code
        return 200

    with sdk(runner, key) as client, ThreadPoolExecutor(200) as pool:
        until(lambda: known_to_both(client, "books/dear"), 5, "the model is known to both processes")
        calls = [pool.submit(call, client) for _ in range(200)]
        gate.wait_reached(10, timeout=60)
        until(lambda: sum(each.done() for each in calls) == 190, 60, "all but those that are held for are refused")
        gate.release()
        answers = [each.result() for each in calls]
    assert (answers.count(200), answers.count(402)) == (10, 190)
    assert books(runner)["open_holds"] == 0


def known_to_both(client: openai.OpenAI, model: str) -> bool:
    """Asks for more than anybody can pay, a few times, so that it reaches both processes: 402 once the model is known, 404 before."""

    def status() -> int:
        try:
            client.chat.completions.create(model=model, messages=QUESTION, max_tokens=10_000_000, n=100)
        except openai.APIStatusError as error:
            return error.status_code
        return 200

    return all(status() == 402 for _ in range(6))


def test_a_killed_gateway_process_leaves_nothing_open(runner: Runner, backend: FakeBackend) -> None:
    backend.reply(chunks=["x"] * 10)
    gate = backend.gate("before_chunk:5")
    manage(runner, "add_model", "books/killed", "--input-price", "1", "--output-price", "2")
    manage(runner, "add_backend", "books/killed", backend.base_url)
    key = new_key(runner, "killed@example.com", "1")
    with sdk(runner, key) as client:
        until(lambda: known_to_both(client, "books/killed"), 5, "the model is known to both processes")
        streams = [client.chat.completions.create(model="books/killed", messages=QUESTION, max_tokens=50, stream=True) for _ in range(20)]
        for stream in streams:
            next(stream)
        gate.wait_reached(20, timeout=30)
        assert books(runner)["open_holds"] == 20
        for process in runner.children("uvicorn akashml.asgi"):
            process.send_signal(signal.SIGKILL)
        for stream in streams:
            with pytest.raises((openai.APIError, httpx.HTTPError)):
                list(stream)
    until(lambda: books(runner)["open_holds"] == 0, LEASE_S + 10 + 5, "the holds are resolved")
    until(lambda: runner.status("/readyz") == 200, 20, "the processes are back")
    gate.release()
    assert books(runner)["totals"]["held"] == "0"
