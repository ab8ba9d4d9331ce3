"""`/stripe/webhook/`: Stripe tells that something happened. Verified on the raw body, kept once, answered at once, worked on later."""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from apps.billing import events, stripe_client, tasks

log = logging.getLogger(__name__)

LARGEST_BODY = 1_000_000  # bytes; Stripe's events are well below 100 kB


@csrf_exempt  # the signature says who sends it
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """200 once the event is kept, also when it was kept before; 400 for what Stripe did not sign, or signed for another mode."""
    if not stripe_client.configured():
        return _plain("This platform takes no payments.", 404)
    try:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.read(LARGEST_BODY + 1) if length <= LARGEST_BODY else b""
    except (ValueError, RequestDataTooBig):
        return _plain("The length of the body is not a number that can be.", 400)
    if length > LARGEST_BODY or len(body) > LARGEST_BODY:
        return _plain("The body is too large.", 413)
    event = stripe_client.verified_event(body, request.headers.get("Stripe-Signature", ""))
    if event is None:
        return _plain("The signature is missing, wrong or too old.", 400)
    if event.livemode != settings.STRIPE_LIVE:
        return _plain("The event is of the other mode, live or test.", 400)
    if events.keep(event):
        try:
            tasks.process_event.apply_async((event.id,), retry=False)
        except OperationalError:  # the broker is away: a sweep finds the event
            log.warning("Webhook event %s waits for the sweep: the broker is away", event.id)
    return _plain("", 200)


def _plain(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
