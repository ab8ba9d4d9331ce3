"""Promise: after `reencrypt_secrets` every stored secret is readable under the new SECRET_KEY alone; what is not readable is named."""

from __future__ import annotations

import io
from contextlib import suppress
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.adapters import MfaAdapter
from apps.budgets.actions import configure
from apps.catalog.actions import save_backend
from apps.catalog.models import Backend, Model
from apps.playground.models import Conversation, Role
from apps.playground.sealing import Body, seal, seal_body, unseal, unseal_body
from apps.texts import sealing as texts
from tests.gateway.customers import new_model
from tests.people import new_customer
from tests.texts.kept import TEXT, keep

NEXT_KEY = "another secret key, long enough to be one of production"


def test_nothing_needs_the_earlier_key_any_more(settings: Settings) -> None:
    model = Model.objects.get(pk=new_model().id)
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {"api_key": "sk-of-the-backend"})
    keyless, _ = save_backend(model, "http://127.0.0.1:10/v1", {})
    user, adapter = new_customer().user, MfaAdapter()
    app = Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": adapter.encrypt("TOTP")})
    codes = Authenticator.objects.create(
        user=user, type=Authenticator.Type.RECOVERY_CODES, data={"seed": adapter.encrypt("SEED"), "used_mask": 5}
    )
    watched = configure(new_customer().account, amount="5", thresholds=[50], by_mail=True, webhook_url="http://127.0.0.1:9/")
    text = keep(new_customer().account.pk)
    owner = new_customer()
    conversation = Conversation.objects.create(
        id=uuid4(), account=owner.account, user=owner.user, sealed_title=seal("A title"), sealed_panes=seal("[]"), sealed_draft=""
    )
    message = conversation.messages.create(
        id=uuid4(), role=Role.USER, model="", sealed_body=seal_body(Body(reasoning="Why?")), finish_reason="", created_at=timezone.now()
    )
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEXT_KEY
    earlier = settings.SECRET_KEY_FALLBACKS
    with suppress(CommandError):  # other tests leave rows that nothing can read
        call_command("reencrypt_secrets", stdout=io.StringIO())
    settings.SECRET_KEY_FALLBACKS = []
    for row in (backend, keyless, app, codes, watched.budget, text, conversation, message):
        row.refresh_from_db()
    assert texts.unseal(text.sealed) == TEXT
    assert (unseal(conversation.sealed_title), unseal(conversation.sealed_panes), conversation.sealed_draft) == ("A title", "[]", "")
    assert unseal_body(message.sealed_body).reasoning == "Why?"
    assert watched.budget.secret == watched.secret
    assert (backend.api_key, keyless.api_key) == ("sk-of-the-backend", "")
    assert (adapter.decrypt(app.data["secret"]), adapter.decrypt(codes.data["seed"]), codes.data["used_mask"]) == ("TOTP", "SEED", 5)

    # Back again, since the other tests of this database live under the earlier key; and one row that neither has written.
    Backend.objects.filter(pk=keyless.pk).update(api_key_encrypted="nonsense")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = earlier[0], [NEXT_KEY]
    with pytest.raises(CommandError, match=f"backend {keyless.pk}"):
        call_command("reencrypt_secrets", stdout=io.StringIO())
    Backend.objects.filter(pk=keyless.pk).delete()
    settings.SECRET_KEY_FALLBACKS = []
    backend.refresh_from_db()
    assert backend.api_key == "sk-of-the-backend"
