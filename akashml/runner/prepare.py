"""`python -m akashml.runner.prepare ASSISTANT_PORT`: migrations, the built-in model, and the development accounts.

Only what is missing is made: a later start resets no password, no balance and nothing that staff have edited.
"""

from __future__ import annotations

import io
import sys

import django
from django.conf import settings
from django.core.management import call_command

ASSISTANT = "akashml/docs-assistant"
CUSTOMER = "customer@example.com"
STAFF = "staff@example.com"
PASSWORD_BYTES = 15


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=1)
    if settings.ALLOW_PRIVATE_BACKENDS:  # else nothing on this machine may be a backend, ours included
        register_assistant(int(sys.argv[1]))
    if not settings.PRODUCTION:
        make_accounts()
        make_api_key()


def register_assistant(port: int) -> None:
    """Point the built-in model at where the assistant listens this time; its earlier addresses leave rotation."""
    from apps.catalog.models import Backend, Model

    if not Model.objects.filter(public_id=ASSISTANT).exists():
        options = {"name": "AkashML docs assistant", "input-price": "0.05", "output-price": "0.20", "context-length": "32768"}
        command("add_model", ASSISTANT, *(f"--{name}={value}" for name, value in options.items()))
    address = f"http://127.0.0.1:{port}/v1"
    command("add_backend", ASSISTANT, address)
    ours = Backend.objects.filter(model__public_id=ASSISTANT, base_url__startswith="http://127.0.0.1:")
    ours.exclude(base_url=address).update(is_active=False)
    ours.filter(base_url=address).update(is_active=True)


def make_accounts() -> None:
    from apps.accounts.models import User

    for email, secret, staff in ((CUSTOMER, "customer_password", False), (STAFF, "staff_password", True)):
        if not User.objects.filter(email__iexact=email).exists():
            password = settings.INSTANCE.secret(secret, PASSWORD_BYTES)
            arguments = [f"--email={email}", f"--password={password}", f"--credit={settings.TRIAL_CREDIT_USD}"]
            command("create_account", *arguments, *(["--staff"] if staff else []))


def make_api_key() -> None:
    """The customer's key, unless the one that was made earlier is still good in this database."""
    from apps.api_keys.minting import digest
    from apps.api_keys.models import ApiKey

    known = settings.INSTANCE.recall("api_key")
    if known and ApiKey.objects.filter(digest=digest(known), revoked_at=None).exists():
        return
    settings.INSTANCE.remember("api_key", command("create_api_key", f"--email={CUSTOMER}", "--name=development"))


def command(name: str, *arguments: str) -> str:
    """Run a management command as from the command line; returns what it printed, which may be secret and goes to no log."""
    output = io.StringIO()
    call_command(name, *arguments, stdout=output)
    return output.getvalue().strip()


if __name__ == "__main__":
    main()
