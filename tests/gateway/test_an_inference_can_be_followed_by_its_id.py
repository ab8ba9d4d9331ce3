"""Promise: whoever runs the platform finds an inference by its id in log lines of JSON and as a trace in their collector."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from apps.core.ids import uuid7
from apps.core.logs import JsonLines, current_inference, current_page
from tests.fakes import FakeBackend, Status
from tests.gateway.calls import ask, offer
from tests.gateway.customers import Customer
from tests.gateway.processes import GatewayProcess, gateways_running
from tests.gateway.waiting import wait_for

pytest_plugins = ["tests.fakes.fixtures"]


class Collector:
    """What a collector of traces was sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    collector.services |= {one.value.string_value for one in resource.resource.attributes if one.key == "service.name"}
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def trace(self, inference: UUID) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id == inference.bytes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def watched(collector: Collector) -> Iterator[GatewayProcess]:
    environment = {"LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with gateways_running(1, **environment) as [gateway]:
        yield gateway


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_an_answer_leaves_a_trace_whose_id_is_its_own(
    watched: GatewayProcess, collector: Collector, backend: FakeBackend, customer: Customer
) -> None:
    model = offer(watched, backend.base_url)
    answer = ask(watched, customer.key, model.name)
    inference = UUID(answer.headers["inference-id"])
    name = f"chat {model.name}"
    wait_for(lambda: name in collector.trace(inference), what="the trace")
    spans = collector.trace(inference)
    assert set(spans) == {name, "admission", "first token"}
    whole = spans[name]
    assert all(spans[part].parent_span_id == whole.span_id for part in ("admission", "first token"))
    ends = [whole.start_time_unix_nano, spans["admission"].end_time_unix_nano, spans["first token"].end_time_unix_nano]
    assert [*ends, whole.end_time_unix_nano] == sorted([*ends, whole.end_time_unix_nano])
    told = attributes(whole)
    usage = answer.json["usage"]
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (told["akashml.inference_id"], told["akashml.status"]) == (str(inference), "completed")
    assert collector.services == {"akashml"}


def test_a_failure_is_in_the_log_and_in_the_trace(
    watched: GatewayProcess, collector: Collector, backend: FakeBackend, customer: Customer
) -> None:
    model = offer(watched, backend.base_url)
    backend.default = Status(500)
    answer = ask(watched, customer.key, model.name)
    assert answer.status == 502
    inference = answer.headers["inference-id"]
    wait_for(lambda: bool(collector.trace(UUID(inference))), what="the trace")
    whole = collector.trace(UUID(inference))[f"chat {model.name}"]
    assert (whole.status.code, attributes(whole)["error.type"]) == (2, answer.error["code"])
    lines = [json.loads(line) for line in watched.log().splitlines() if line]
    mine = [line for line in lines if line.get("inference_id") == inference]
    assert any(line["level"] == "WARNING" and "answered 500" in line["message"] for line in mine)
    assert {"time", "level", "logger", "message", "process"} <= set(lines[0])


def test_a_line_names_what_it_is_about_and_stays_one_line() -> None:
    def written(**extra: Any) -> dict[str, Any]:
        try:
            raise ValueError("first\nsecond\u2028third")
        except ValueError:
            record = logging.getLogger("x").makeRecord("x", logging.ERROR, __file__, 1, "went %s", ("wrong",), sys.exc_info(), extra=extra)
        line = JsonLines().format(record)
        assert len(line.splitlines()) == 1
        return dict(json.loads(line))

    inference, other = uuid7(), uuid7()
    assert "inference_id" not in written()
    assert "Traceback" in written()["exception"]
    marks = current_inference.set(inference), current_page.set("page-1")
    try:
        assert (written()["inference_id"], written()["request_id"]) == (str(inference), "page-1")
        assert written(inference_id=other)["inference_id"] == str(other)
    finally:
        current_inference.reset(marks[0])
        current_page.reset(marks[1])
