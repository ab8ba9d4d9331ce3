"""Promise: whatever code a page of the guide or of a model shows does what it says, pasted as it stands with the reader's own key and address.

Python and JavaScript run with the packages they import, curl as curl, manage.py's commands against this database; each must succeed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from io import StringIO
from pathlib import Path

import httpx
import pytest
import uvicorn
from django.core.management import call_command

from apps.accounts.models import Account
from apps.api_keys.actions import create_key
from apps.api_keys.models import Scope
from apps.catalog.models import Model
from apps.catalog.queries import BUILT_IN_MODEL
from apps.dashboard.docs.library import FOLDER
from apps.docs_assistant.app import DocsAssistant
from tests.clients import node
from tests.docs.samples import OF_OTHERS, WRITTEN_ADDRESS, WRITTEN_KEY, Sample, commands, samples
from tests.gateway.customers import new_customer
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.presets.samples import new_preset

pytestmark = pytest.mark.timeout(300)  # the first may have to install npm's packages
ALL = [sample for page in sorted(FOLDER.glob("*.md")) for sample in samples(page)]
PATIENCE_S = 120
OWNER = "you@example.com"


def of(*languages: str) -> list[Sample]:
    return [sample for sample in ALL if sample.language in languages]


def each(chosen: list[Sample]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", chosen, ids=lambda sample: sample.name)


@dataclass(frozen=True)
class Reader:
    """Somebody who reads the guide: an address in place of the written one, and keys."""

    address: str
    key: str
    management_key: str

    def own(self, text: str) -> str:
        return text.replace(WRITTEN_ADDRESS, self.address).replace(WRITTEN_KEY, self.key)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_", "NODE_OPTIONS"))}
        return {
            **kept,
            "AKASHML_API_KEY": self.key,
            "AKASHML_MANAGEMENT_KEY": self.management_key,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@pytest.fixture(scope="module")
def assistant() -> Iterator[str]:
    """The built-in model on a port of its own; its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(DocsAssistant(FOLDER, 0), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def site(assistant: str) -> Iterator[GatewayProcess]:
    """A running site that offers the built-in model; it is taken out of the catalogue afterwards."""
    call_command("add_model", BUILT_IN_MODEL, "--input-price", "0.01", "--output-price", "0.02", stdout=StringIO())
    call_command("add_backend", BUILT_IN_MODEL, assistant, stdout=StringIO())
    Model.objects.filter(public_id=BUILT_IN_MODEL).update(supported_features=["chat", "streaming", "tools"])  # its page shows every sample
    with gateways_running(1, SERVE="all") as [process]:
        yield process
    Model.objects.filter(public_id=BUILT_IN_MODEL).delete()


@pytest.fixture(scope="module")
def models_samples(site: GatewayProcess) -> dict[str, str]:
    """The code on the page of a model, as its Copy button takes it, by the name of its tab."""
    page = httpx.get(f"{site.url}/models/{BUILT_IN_MODEL}", trust_env=False, timeout=PATIENCE_S).text
    shown = re.findall(r'<pre class="pane"[^>]*aria-label="([^"]+) example">(.*?)</pre>', page, re.DOTALL)
    return {name: unescape(re.sub(r"<[^>]+>", "", code)) for name, code in shown}


@pytest.fixture(scope="module")
def reader(site: GatewayProcess) -> Reader:
    customer = new_customer("5")
    account = Account.objects.get(pk=customer.account_id)
    new_preset(account, "Support", model=BUILT_IN_MODEL)  # the guide's own
    management = create_key(account, "the guide's", scope=Scope.MANAGEMENT)[1]
    return Reader(site.url, customer.key, management)


def run(words: list[str], reader: Reader, **options: object) -> str:
    """What a command prints. Fails the test when it does."""
    done = subprocess.run(words, env=reader.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@pytest.mark.parametrize("page", sorted({sample.page for sample in of("python")}))
def test_python(page: str, reader: Reader) -> None:
    """A page's samples run one after another: later ones use the client that the first one made."""
    told = run([sys.executable, "-c", "\n".join(reader.own(sample.text) for sample in of("python") if sample.page == page)], reader)
    assert told.strip()


@each(of("javascript", "typescript"))
def test_javascript(sample: Sample, reader: Reader) -> None:
    node.install()
    told = run([str(node.NODE), "--input-type=module"], reader, cwd=node.FOLDER, input=reader.own(sample.text))
    assert told.strip()


@each([sample for sample in of("bash") if re.search(r"^curl ", sample.text, re.MULTILINE)])
def test_curl(sample: Sample, reader: Reader) -> None:
    """Each answer of a sample is JSON of a request that succeeded."""
    script = 'set -eu\ncurl() { command curl -sS --fail-with-body -w "\\n" "$@"; }\n' + reader.own(sample.text)
    if WRITTEN_KEY in sample.text and "/api/v1/" in sample.text:
        script = script.replace(reader.key, reader.management_key)
    told = run(["bash", "-c", script], reader)
    answers = [json.loads(line) for line in told.splitlines() if line.strip()]
    assert len(answers) == len(re.findall(r"^curl ", sample.text, re.MULTILINE))


def test_a_models_page_in_curl(models_samples: dict[str, str], reader: Reader) -> None:
    told = run(["bash", "-c", f"set -eu\n{models_samples['curl']} -sS --fail-with-body"], reader)
    *chunks, last = [line.removeprefix("data: ") for line in told.splitlines() if line]
    assert last == "[DONE]"
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in json.loads(chunk)["choices"])


@pytest.mark.parametrize("name", ["Python", "Anthropic"])
def test_a_models_page_in_python(name: str, models_samples: dict[str, str], reader: Reader) -> None:
    assert run([sys.executable, "-c", models_samples[name]], reader).strip()


def test_a_models_page_in_javascript(models_samples: dict[str, str], reader: Reader) -> None:
    node.install()
    assert run([str(node.NODE), "--input-type=module"], reader, cwd=node.FOLDER, input=models_samples["JavaScript"]).strip()


def test_a_models_page_for_claude_code(models_samples: dict[str, str], reader: Reader) -> None:
    """What it puts into the environment is where the model answers. Claude Code itself: tests/clients/test_claude_code_works.py."""
    asks = """claude() { for model in "$ANTHROPIC_DEFAULT_OPUS_MODEL" "$ANTHROPIC_DEFAULT_SONNET_MODEL" "$ANTHROPIC_DEFAULT_HAIKU_MODEL"; do
      curl -sS --fail-with-body -w "\\n" "$ANTHROPIC_BASE_URL/v1/messages" -H "Authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
        -d "{\\"model\\": \\"$model\\", \\"max_tokens\\": 50, \\"messages\\": [{\\"role\\": \\"user\\", \\"content\\": \\"Hello\\"}]}" -H "Content-Type: application/json"; done; }"""
    told = run(["bash", "-c", f"set -eu\n{asks}\n{models_samples['Claude Code']}"], reader)
    assert [json.loads(line)["model"] for line in told.splitlines()] == [BUILT_IN_MODEL] * 3


def test_every_sample_of_a_models_page_is_tried(models_samples: dict[str, str]) -> None:
    assert set(models_samples) == {"curl", "Python", "JavaScript", "Anthropic", "Claude Code"}


def test_commands_of_manage_py(site: GatewayProcess) -> None:
    """In the order of the pages, and with the last four characters of the key that was just made where one is to be revoked."""
    call_command("create_account", "--email", OWNER, stdout=StringIO())
    before = set(Model.objects.values_list("public_id", flat=True))
    last4, done = "", 0
    for sample in of("bash"):
        for words in commands(sample.text):
            if words[:2] != [".venv/bin/python", "manage.py"]:
                continue
            name, *given = words[2:]
            if name == "revoke_api_key":
                given[0] = last4
            out = StringIO()
            call_command(name, *given, stdout=out)
            last4 = out.getvalue().strip()[-4:] if name == "create_api_key" else last4
            done += 1
    assert done >= 9
    Model.objects.exclude(public_id__in=before).delete()


@each(of("bash"))
def test_every_command_is_tried_or_somebody_elses(sample: Sample) -> None:
    targets = re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE)
    for words in commands(sample.text):
        known = words[0] in OF_OTHERS or words[0] == "curl" or words[:2] == [".venv/bin/python", "manage.py"]
        assert known or (words[0] == "make" and set(words[1:]) <= set(targets)), words


def test_no_language_is_left_untried() -> None:
    assert {sample.language for sample in ALL} <= {"python", "javascript", "typescript", "bash", "json", ""}
