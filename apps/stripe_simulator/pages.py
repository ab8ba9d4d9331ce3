"""The pages a customer's browser sees: Checkout and 3-D Secure. They work without script; nothing is inline, nothing comes from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from apps.stripe_simulator import checkout, payments
from apps.stripe_simulator.cards import KNOWN
from apps.stripe_simulator.errors import StripeError, missing
from apps.stripe_simulator.http import Answer, Request, to
from apps.stripe_simulator.store import Object
from apps.stripe_simulator.world import World

STATIC = Path(__file__).with_name("static")
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
OFFERED = 8  # test cards on the page; the rest are in README.md
FIELDS = ("email", "number", "expiry", "cvc", "name")


async def serve(world: World, request: Request) -> Answer:
    """A page or one of its files."""
    _, kind, *rest = request.path.split("/")
    try:
        if kind == "static" and request.method == "GET":
            return static(rest[-1])
        if kind == "c" and rest[:1] == ["pay"] and len(rest) == 2:
            session = world.get("checkout.session", rest[1])
            return pay(world, session, request) if request.method == "POST" else pay_page(world, session)
        if kind == "3ds" and len(rest) == 1:
            intent = world.store.find(rest[0])
            if intent is None or intent["object"] not in ("payment_intent", "setup_intent"):
                raise missing("intent", rest[0])
            return authenticate(world, intent, request) if request.method == "POST" else authentication_page(world, intent)
    except StripeError as error:
        return document("This page cannot be used", f"<h1>This page cannot be used</h1><p>{escape(str(error))}</p>", status=error.status)
    return document("Not found", "<h1>Not found</h1><p>There is no such page.</p>", status=404)


def static(name: str) -> Answer:
    file = STATIC / name
    if file.suffix not in STATIC_TYPES or not file.is_file():
        raise missing("file", name)
    return Answer(200, file.read_bytes(), STATIC_TYPES[file.suffix], {"cache-control": "no-cache"})


def pay(world: World, session: Object, request: Request) -> Answer:
    """The form was sent. On to the shop, to 3-D Secure, or back to the form with what is wrong."""
    typed = {name: value.strip() for name, value in parse_qsl(request.text, keep_blank_values=True)}
    month, _, year = typed.get("expiry", "").replace(" ", "").partition("/")
    try:
        with world.store.transaction():
            checkout.open_only(session)
            method = checkout.typed_card(world, typed.get("number", ""), month, year, typed.get("name", ""), typed.get("email", ""))
            if not typed.get("cvc", "").isdecimal() or len(typed["cvc"]) not in (3, 4):
                raise StripeError(402, "card_error", "Your card's security code is incomplete.", param="cvc")
            intent = checkout.submit(world, session, method)
    except StripeError as error:
        return pay_page(world, world.get("checkout.session", session["id"]), typed, error)
    if intent["status"] == "requires_action":
        return to(f"/3ds/{intent['id']}")
    return to(checkout.success_url(session))


def pay_page(world: World, session: Object, typed: dict[str, str] | None = None, error: StripeError | None = None) -> Answer:
    if session["status"] == "complete":
        return document("Done", f'<h1>This is done</h1><p><a class="button" href="{escape(checkout.success_url(session))}">Go back</a></p>')
    if session["status"] == "expired":
        return document("Expired", f"<h1>This page has expired</h1><p>Nothing was charged.</p>{_cancel(session)}", status=410)
    message = str(error) if error else _last_error(world, session)
    field = checkout.error_field(error) if error else ""
    field = {"exp_month": "expiry", "exp_year": "expiry"}.get(field, field)
    paying = session["mode"] == "payment"
    verb = f"Pay {dollars(session['amount_total'])}" if paying else "Save card"
    lines = "".join(
        f"<li>{escape(line['description'])}<span>{dollars(line['amount_total'])}</span></li>" for line in session["_line_items"]
    )
    customer = world.store.find(session["customer"] or "") or {}
    values = {"email": customer.get("email") or session["customer_email"] or ""} | (typed or {})
    labels = {
        "email": ("Email", 'type="email" autocomplete="email"'),
        "number": ("Card number", 'inputmode="numeric" autocomplete="cc-number" maxlength="23" placeholder="4242 4242 4242 4242"'),
        "expiry": ("Expiry (MM/YY)", 'inputmode="numeric" autocomplete="cc-exp" maxlength="7" placeholder="12/34"'),
        "cvc": ("Security code", 'inputmode="numeric" autocomplete="cc-csc" maxlength="4" placeholder="123"'),
        "name": ("Name on card", 'autocomplete="cc-name"'),
    }
    inputs = "".join(
        _field(name, *labels[name], value="" if name == "cvc" else values.get(name, ""), wrong=name == field) for name in FIELDS
    )
    cards = "".join(
        f'<li><button type="button" data-card="{card.number}"><code>{_grouped(card.number)}</code> {escape(card.label)}</button></li>'
        for card in KNOWN[:OFFERED]
    )
    body = f"""
<h1>{escape(verb if paying else "Save a card")}</h1>
<ul class="lines">{lines}</ul>
{f'<p class="error" role="alert" id="problem">{escape(message)}</p>' if message else ""}
<form method="post">{inputs}<button class="button" type="submit">{escape(verb)}</button></form>
{_cancel(session)}
<details open><summary>Test cards</summary><ul class="cards">{cards}</ul></details>"""
    return document(verb, body, status=402 if error else 200, targets=(session["success_url"],))


def authenticate(world: World, intent: Object, request: Request) -> Answer:
    """One of the two buttons was pressed: back to whoever asked for 3-D Secure."""
    passed = dict(parse_qsl(request.text)).get("outcome") == "complete"
    session, failed = checkout.session_of(world, intent["id"]), None
    back = dict(intent)
    try:
        with world.store.transaction():
            intent = payments.authenticate(world, intent, passed)
            if session is not None:
                checkout.complete(world, session, intent)
    except StripeError as error:
        if not error.keeps:
            raise
        failed = error
    if session is not None:
        return to(f"/c/pay/{session['id']}" if failed else checkout.success_url(session))
    address = payments.after_authentication(back, failed)
    text = "<h1>Authentication failed</h1>" if failed else "<h1>Thank you</h1>"
    return to(address) if address else document("3-D Secure", f"{text}<p>You may close this page.</p>")


def authentication_page(world: World, intent: Object) -> Answer:
    if intent["status"] != "requires_action":
        return document("3-D Secure", "<h1>Nothing to authenticate</h1><p>This payment was dealt with already.</p>", status=410)
    session = checkout.session_of(world, intent["id"])
    what = f"a payment of {dollars(intent['amount'])}" if "amount" in intent else "the saving of your card"
    body = f"""
<h1>3-D Secure</h1>
<p>Your bank asks whether it is you who wants {what}.</p>
<form method="post"><button class="button" type="submit" name="outcome" value="complete">Complete authentication</button>
<button class="button plain" type="submit" name="outcome" value="fail">Fail authentication</button></form>"""
    action = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
    return document("3-D Secure", body, targets=(session["success_url"] if session else action,))


def document(title: str, body: str, *, status: int = 200, targets: tuple[str | None, ...] = ()) -> Answer:
    """A page. `targets`: addresses that its forms may lead to."""
    origins = {f"{parts.scheme}://{parts.netloc}" for target in targets if target and (parts := urlsplit(target)).netloc}
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; " + " ".join(
        ["form-action 'self'", *sorted(origins)]
    )
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{escape(title)} · simulated Stripe</title>
<link rel="stylesheet" href="/static/pages.css"><script src="/static/pages.js" defer></script></head>
<body><main><p class="test">Simulated payments: no real card is charged.</p>{body}</main></body></html>"""
    headers = {
        "content-security-policy": policy,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return Answer(status, html.encode(), "text/html; charset=utf-8", headers)


def dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02d}"


def _field(name: str, label: str, attributes: str, *, value: str, wrong: bool) -> str:
    problem = ' aria-invalid="true" aria-describedby="problem"' if wrong else ""
    return (
        f'<label for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" {attributes} value="{escape(value)}"{problem}{"" if name == "name" else " required"}>'
    )


def _cancel(session: Object) -> str:
    return f'<p><a href="{escape(session["cancel_url"])}">Cancel and go back</a></p>' if session["cancel_url"] else ""


def _last_error(world: World, session: Object) -> str:
    intent = world.store.find(session["payment_intent"] or session["setup_intent"] or "") or {}
    return str((intent.get("last_payment_error") or intent.get("last_setup_error") or {}).get("message", ""))


def _grouped(number: str) -> str:
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))
