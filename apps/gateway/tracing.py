"""A trace of each inference, for whoever collects OpenTelemetry's: on when OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) is set.

The spans are made when the request has ended, out of what its settlement says: while it runs nothing is measured twice, and without the
setting nothing is loaded. The trace's id is the Inference-Id, so that one leads to the other. Which spans are kept, where they go, and how
many wait is read by the library from OpenTelemetry's own variables; a collector that is away loses spans and holds up nobody.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from apps.gateway.settlement import Settlement
from apps.usage.models import Dialect, Status

NANO_PER_MS = 1_000_000
OPERATIONS = {Dialect.COMPLETIONS: "text_completion"}  # OpenTelemetry's words (semantic conventions for generative AI); else "chat"


class _InferenceIds(RandomIdGenerator):
    """The id of the next trace is that of its inference."""

    trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


class Tracing:
    """`model_name`: the public id of a model by its number."""

    def __init__(self, model_name: Callable[[int], str]) -> None:
        self._model_name = model_name
        self._ids = _InferenceIds()
        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "akashml"})
        self._provider = TracerProvider(id_generator=self._ids, resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("akashml.gateway")

    def record(self, settlement: Settlement) -> None:
        """The spans of a request that ended just now: the whole, the wait for admission, and the wait for the first token."""
        ended = time.time_ns()
        began = ended - settlement.total_ms * NANO_PER_MS
        admitted = began + settlement.queue_ms * NANO_PER_MS
        self._ids.trace_id = settlement.id.int
        operation, model = OPERATIONS.get(Dialect(settlement.dialect), "chat"), self._model_name(settlement.model_id)
        whole = self._tracer.start_span(
            f"{operation} {model}",
            Context(),
            trace.SpanKind.SERVER,
            _attributes(settlement) | {"gen_ai.operation.name": operation, "gen_ai.request.model": model},
            start_time=began,
        )
        within = trace.set_span_in_context(whole, Context())
        self._tracer.start_span("admission", within, start_time=began).end(admitted)
        if settlement.first_token_ms is not None:
            first = began + settlement.first_token_ms * NANO_PER_MS
            self._tracer.start_span("first token", within, start_time=admitted).end(first)
        if settlement.status != Status.COMPLETED:
            whole.set_status(trace.StatusCode.ERROR, settlement.error_code)
        whole.end(ended)

    def stop(self) -> None:
        """Sends what waits; for a thread, since it may wait for the collector."""
        self._provider.shutdown()


def _attributes(settlement: Settlement) -> dict[str, Any]:
    """Tokens by OpenTelemetry's names, the rest by ours. Nothing of what was said is in them."""
    values: dict[str, Any] = {
        "gen_ai.usage.input_tokens": settlement.prompt_tokens,
        "gen_ai.usage.output_tokens": settlement.completion_tokens,
        "http.response.status_code": settlement.http_status,
        "akashml.inference_id": str(settlement.id),
        "akashml.account_id": settlement.account_id,
        "akashml.dialect": Dialect(settlement.dialect).name.lower(),
        "akashml.status": Status(settlement.status).name.lower(),
        "akashml.streamed": settlement.streamed,
        "akashml.cost_nano_usd": settlement.cost,
    }
    if settlement.finish_reason:
        values["gen_ai.response.finish_reasons"] = [settlement.finish_reason]
    if settlement.error_code:
        values["error.type"] = settlement.error_code
    if settlement.backend_id is not None:
        values["akashml.backend_id"] = settlement.backend_id
    if settlement.key_id is not None:
        values["akashml.key_id"] = settlement.key_id
    return values
