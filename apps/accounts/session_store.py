"""Django's session engine (SESSION_ENGINE) over our own table, which knows whose a session is and from where it was last used.

Postgres alone: a session that is signed out is gone for every process at once, whatever becomes of Valkey. What is kept in a
session is encrypted: codes that were mailed, second factors that are being set up, forms that wait for a password.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation

from apps.accounts.models import Session
from apps.core.crypto import Undecryptable, decrypt, encrypt

PURPOSE = "session data"
SEEN_EVERY = timedelta(minutes=5)
LONGEST_AGENT = Session._meta.get_field("user_agent").max_length


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who holds a session's cookie: their IP address, None when it is not known, and what their browser calls itself."""

    address: str | None = None
    user_agent: str = ""


NOBODY = Visitor()


class SessionStore(DatabaseSessionStore):
    """A session's data. `visitor` is whose request it is: a new row of the table tells."""

    def __init__(self, session_key: str | None = None, visitor: Visitor = NOBODY) -> None:
        super().__init__(session_key)
        self._visitor = {"address": visitor.address, "user_agent": visitor.user_agent.replace("\x00", "")[:LONGEST_AGENT]}
        self._row: Session | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        self._row = self._get_session_from_db()  # type: ignore[attr-defined]  # Django's type stubs leave it out
        return self.decode(self._row.session_data) if self._row else {}

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def encode(self, session_dict: dict[str, Any]) -> str:
        return encrypt(json.dumps(session_dict), PURPOSE)

    def decode(self, session_data: str | bytes) -> dict[str, Any]:
        """Empty for what none of our keys has written: an old session, without the SECRET_KEY of its time."""
        try:
            data: dict[str, Any] = json.loads(decrypt(str(session_data), PURPOSE))
        except Undecryptable:
            return {}
        return data

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return Session(
            session_key=self._get_or_create_session_key(),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=int(data[SESSION_KEY]) if SESSION_KEY in data else None,
            **self._visitor,
        )

    def save(self, must_create: bool = False) -> None:
        """Raises CreateError for an id that is taken, UpdateError for a session that is gone (signed out meanwhile)."""
        if self.session_key is None:
            self.create()
            return
        session = self.create_model_instance(self._get_session(no_load=must_create))  # type: ignore[attr-defined]
        try:
            with transaction.atomic():
                if must_create:
                    session.save(force_insert=True)
                    saved = 1
                else:
                    saved = Session.objects.filter(pk=session.pk).update(
                        session_data=session.session_data, expire_date=session.expire_date, user_id=session.user_id
                    )
        except IntegrityError as error:
            if must_create and isinstance(error.__cause__, UniqueViolation):
                raise CreateError from error
            raise UpdateError from error  # its user was deleted a moment ago
        if not saved:
            raise UpdateError

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    def mark_seen(self) -> None:
        """Note the use of a session that somebody is logged in with, at most every SEEN_EVERY."""
        row = self._row
        if row is not None and row.user_id is not None and timezone.now() - row.last_seen_at > SEEN_EVERY:
            Session.objects.filter(pk=self.session_key).update(last_seen_at=timezone.now(), **self._visitor)
