"""Anthropic's SDKs for Python and Node, and the AI SDK's provider for Anthropic, with llama.cpp behind the gateway
(anthropic-engine.mjs)."""

from __future__ import annotations

import anthropic
import pytest

from tests.clients import node
from tests.gateway.clients import until_known
from tests.gateway.customers import new_customer, new_model

pytestmark = pytest.mark.timeout(240)  # the first test may have to install the clients
SCRIPT = "anthropic-engine.mjs"


@pytest.fixture(scope="module")
def real_model(gateway, engine):
    return until_known(new_model(engine.base_url, upstream="random", context_length=2048), gateway)


@pytest.fixture(scope="module")
def rich():
    return new_customer("10")


@pytest.fixture(scope="module")
def outcomes(gateway, real_model, rich):
    return node.run(SCRIPT, base_url=f"{gateway.url}/anthropic", model=real_model.name, keys={"rich": rich.key})


@pytest.mark.parametrize("name", node.check_names(SCRIPT))
def test_check(outcomes, name):
    outcomes[name].passed()


@pytest.mark.money
def test_the_package_for_python(gateway, real_model, rich):
    asked = {"model": real_model.name, "max_tokens": 30, "messages": [{"role": "user", "content": "is this the price of a token"}]}
    with anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", api_key=rich.key, max_retries=0) as client:
        whole = client.messages.create(**asked, extra_body={"temperature": 0})
        with client.messages.stream(**asked, extra_body={"temperature": 0}) as stream:
            pieces = list(stream.text_stream)
            streamed = stream.get_final_message()
        counted = client.messages.count_tokens(model=real_model.name, messages=asked["messages"])
        cut = client.messages.create(**asked, stop_sequences=[whole.content[0].text[10]], extra_body={"temperature": 0})
    assert "".join(pieces) == streamed.content[0].text == whole.content[0].text
    assert len(pieces) > 5
    assert (whole.stop_reason, whole.usage.output_tokens) == ("max_tokens", 30)
    assert counted.input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens
    assert whole.content[0].text.startswith(cut.content[0].text)
    assert cut.stop_reason == "end_turn", "llama.cpp does not tell which stop sequence it was"
