"""Stripe's API as one call: key check, idempotency, faults, the handler in one transaction, the answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from apps.stripe_simulator import charge_api, customer_api, faults, forms, intent_api
from apps.stripe_simulator.errors import StripeError
from apps.stripe_simulator.faults import Fault
from apps.stripe_simulator.http import Answer, Request, in_json
from apps.stripe_simulator.listing import expanded
from apps.stripe_simulator.routing import find_route
from apps.stripe_simulator.store import new_id, now
from apps.stripe_simulator.world import World

SERVED = (customer_api, intent_api, charge_api)  # each enters its addresses when it is imported
IDEMPOTENCY_LIFE_S = 24 * 3600  # Stripe forgets keys after at least that


class Api:
    """`secret_key`: the one that callers must know. `after`: called when something was written."""

    def __init__(self, world: World, secret_key: str, after: Callable[[], None]) -> None:
        self.world, self.secret_key, self.after = world, secret_key, after
        self.in_flight: set[str] = set()

    def authorize(self, request: Request) -> None:
        """StripeError (401) without the right key."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        if not given:
            raise StripeError(401, "invalid_request_error", "You did not provide an API key.")
        if not hmac.compare_digest(given.strip().encode(), self.secret_key.encode()):
            raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: ****{given[-4:]}")

    async def serve(self, request: Request) -> Answer:
        request_id = new_id("req")
        try:
            answer = await self._serve(request, request_id)
        except StripeError as error:
            answer = in_json(error.body, error.status)
        return Answer(answer.status, answer.body, headers={"request-id": request_id} | answer.headers, cut=answer.cut)

    async def _serve(self, request: Request, request_id: str) -> Answer:
        self.authorize(request)
        key = request.headers.get("idempotency-key", "") if request.method == "POST" else ""
        if not key:
            return await self._with_faults(request, request_id, key)
        if len(key) > 255:
            raise StripeError(400, "idempotency_error", "Idempotency keys are at most 255 characters long.")
        if (earlier := self._earlier(request, key)) is not None:
            return earlier
        if key in self.in_flight:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeError(409, "idempotency_error", message, code="idempotency_key_in_use")
        self.in_flight.add(key)
        try:
            return await self._with_faults(request, request_id, key)
        finally:
            self.in_flight.discard(key)

    async def _with_faults(self, request: Request, request_id: str, key: str) -> Answer:
        with self.world.store.transaction():
            fault = faults.take(self.world.store, request.method, request.path) or Fault("")
        if fault.kind in ("slow", "timeout_before"):
            await asyncio.sleep(fault.seconds)
        if fault.kind == "timeout_before":
            return Answer(200, b"", cut=True)
        if fault.kind == "die_before":
            die()
        if fault.kind.endswith("00_before") or fault.kind == "429_before":
            raise faults.error_of(fault.kind)
        answer = self._run(request, request_id, key, forced=faults.error_of(fault.kind) if fault.kind == "500_saved" else None)
        if fault.kind == "die_after":
            die()
        if fault.kind == "timeout_after":
            await asyncio.sleep(fault.seconds)
            return Answer(200, b"", cut=True)
        if fault.kind == "500_after":
            raise faults.error_of(fault.kind)
        return answer

    def _run(self, request: Request, request_id: str, key: str, forced: StripeError | None) -> Answer:
        """The handler and what is remembered of its answer, in one transaction. `forced`: what is answered in place of the truth."""
        params = forms.parse(request.text if request.method == "POST" else request.query)
        handler, ids = find_route(request.method, request.path.rstrip("/"))
        self.world.request = (request_id, key or None)
        with self.world.store.transaction():
            try:
                answer = in_json(expanded(self.world, handler(self.world, params, *ids), params))
            except StripeError as error:
                if not error.keeps:
                    raise
                answer = in_json(error.body, error.status)
            if forced is not None:
                answer = in_json(forced.body, forced.status)
            if key:
                self.world.store.db.execute(
                    "INSERT INTO answer VALUES (?, ?, ?, ?, ?)", (key, fingerprint(request), answer.status, answer.body.decode(), now())
                )
        self.after()
        return answer

    def _earlier(self, request: Request, key: str) -> Answer | None:
        """What was answered to this key. StripeError when it was used for another request."""
        found = self.world.store.db.execute(
            "SELECT request, status, body FROM answer WHERE key = ? AND created > ?", (key, now() - IDEMPOTENCY_LIFE_S)
        ).fetchone()
        if found is None:
            self.world.store.db.execute("DELETE FROM answer WHERE key = ?", (key,))
            return None
        if found[0] != fingerprint(request):
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise StripeError(400, "idempotency_error", message)
        return in_json(json.loads(found[2]), found[1], idempotent_replayed="true")


def fingerprint(request: Request) -> str:
    """Names method, path and parameters."""
    params = json.dumps(forms.parse(request.text), sort_keys=True)
    return hashlib.sha256(f"{request.method} {request.path} {params}".encode()).hexdigest()


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # not reached: the signal cannot be caught
