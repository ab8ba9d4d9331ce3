"""`GET /metrics`: this process's gateway in Prometheus' text format. Each process speaks for itself."""

from __future__ import annotations

import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.gateway.process import host
from apps.gateway.runtime import Gateway


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For the machine itself, or for whoever sends METRICS_TOKEN as bearer token; 403 for everybody else."""
    if not (_is_local(request) or _has_token(request)):
        return HttpResponse("Metrics are for this machine, or for a request with METRICS_TOKEN as its bearer token.\n", status=403)
    response = HttpResponse(exposition(host.gateway), content_type="text/plain; version=0.0.4; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def exposition(gateway: Gateway | None) -> str:
    """The metrics of a gateway; only that it is not running when there is none."""
    lines: list[str] = []

    def add(name: str, kind: str, text: str, value: int) -> None:
        lines.extend((f"# HELP akashml_{name} {text}", f"# TYPE akashml_{name} {kind}", f"akashml_{name} {value}"))

    add("gateway_up", "gauge", "Whether this process runs a gateway.", int(gateway is not None))
    if gateway is not None:
        add("open_requests", "gauge", "Admitted requests that have not ended.", len(gateway.lease.open))
        add("admission_queue", "gauge", "Requests that wait for admission.", gateway.admission.waiting)
        add("settlement_queue", "gauge", "Ended requests that wait to be charged.", gateway.settling.waiting)
        add("written_off_nano_usd_total", "counter", "Cost that no credit was left for, in nano-USD.", gateway.settling.written_off)
        add("settlements_superseded_total", "counter", "Settlements that came after the reaper's.", gateway.settling.superseded)
        add(
            "settlements_superseded_nano_usd_total",
            "counter",
            "What they came to above what the reaper charged, in nano-USD.",
            gateway.settling.superseded_nano,
        )
        keeping = gateway.safekeeping
        add("journal_entries", "gauge", "Settlements on disk that Postgres has not taken yet.", len(keeping.kept))
        add("journal_bytes", "gauge", "Bytes of the journal on disk.", keeping.size)
        add("journal_oldest_seconds", "gauge", "Age of the oldest of them.", keeping.oldest_s)
        add("journal_full", "gauge", "Whether it has no room, so that nothing is admitted.", int(keeping.full))
        add("journal_written_total", "counter", "Settlements that were put on disk.", keeping.written)
        add(
            "journal_replayed_total",
            "counter",
            "Settlements replayed from disk, those of processes that are gone included.",
            gateway.replay.done,
        )
        add(
            "journal_refused_total",
            "counter",
            "Settlements that Postgres refused at their replay, kept for people.",
            gateway.replay.refused,
        )
        add("journal_errors_total", "counter", "Failures of the disk.", keeping.errors)
        add("texts_queue", "gauge", "Prompts and answers that wait to be written, of accounts that keep them.", gateway.texts.waiting)
        add("texts_kept_total", "counter", "Prompts and answers that were written.", gateway.texts.kept)
        add("texts_dropped_total", "counter", "Prompts and answers that found no room or no Postgres.", gateway.texts.dropped)
        add("reaped_requests_total", "counter", "Requests of lost processes that this one ended.", gateway.housekeeping.reaped)
        add("fenced_total", "counter", "Times this process was fenced off.", gateway.lease.fenced)
        add("housekeeper", "gauge", "Whether this process is the housekeeper.", int(gateway.housekeeping.leads))
    return "\n".join(lines) + "\n"


def _is_local(request: HttpRequest) -> bool:
    """From this machine and not through a proxy on it, which would make everybody local."""
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = (request.META.get("HTTP_AUTHORIZATION") or "").partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), expected.encode())
