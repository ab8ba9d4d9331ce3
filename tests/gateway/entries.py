"""Catalogue entries as a gateway process holds them, for tests of pure functions."""

from __future__ import annotations

from typing import Any

from apps.catalog.pricing import Rates
from apps.catalog.snapshot import BackendEntry, ModelEntry


def a_model(**changes: Any) -> ModelEntry:
    fields: dict[str, Any] = {
        "id": 1,
        "public_id": "org/model",
        "name": "Model",
        "description": "",
        "created": 0,
        "context_length": 8192,
        "max_output_length": None,
        "default_max_output": 1024,
        "quantization": "",
        "input_modalities": (),
        "output_modalities": (),
        "supported_sampling_parameters": (),
        "features": frozenset(),
        "reasoning": {},
        "backends": (),
        "prices": ((0.0, Rates(1, 100, 50, 300, 0)),),
    }
    return ModelEntry(**{**fields, **changes})


def a_backend(**changes: Any) -> BackendEntry:
    fields: dict[str, Any] = {
        "id": 1,
        "base_url": "http://backend/v1",
        "api_key": "",
        "upstream_model": "org/model",
        "weight": 1,
        "max_concurrency": None,
        "connect_timeout_s": 1.0,
        "first_byte_timeout_s": 1.0,
        "idle_timeout_s": 1.0,
        "probe_ok": None,
    }
    return BackendEntry(**{**fields, **changes})
