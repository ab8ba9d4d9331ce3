"""What allauth asks of us: who signs up gets an account, mails that cannot be sent break no page, addresses belong to who proves them."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import transaction
from django.http import Http404, HttpRequest
from django.template.loader import render_to_string

from apps.accounts.actions import ensure_account, hand_over
from apps.accounts.models import User
from apps.accounts.user_agents import describe
from apps.core.client_address import ip_of
from apps.core.crypto import decrypt, encrypt

log = logging.getLogger(__name__)

LONGEST_EMAIL = User._meta.get_field("email").max_length or 254
WRONG_CODES = "That code was wrong too often and is void now. Log in, and we send you a new one."
SECOND_FACTOR = "second factor"  # what second factors' secrets are encrypted for


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        return ip_of(request) or "unknown"

    def clean_email(self, email: str) -> str:
        """allauth would cut a longer one."""
        if len(email) > LONGEST_EMAIL:
            raise ValidationError(f"An email address has at most {LONGEST_EMAIL} characters.")
        return email

    @transaction.atomic
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user = super().save_user(request, user, form, commit)
        if commit:
            ensure_account(user)
        return user

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Who proved themselves a few minutes ago, be it by logging in, need not do so again."""
        records = get_authentication_records(self.request, self.request.user)
        recent = any(time.time() - record["at"] < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for record in records)
        return not recent and super().is_reauthentication_required(app=app)

    def render_mail(self, template_prefix: str, email: str | list[str], context: dict[str, Any], headers: Any = None) -> EmailMessage:
        """One template a mail, whose blocks templates/mail/ lays out as subject, text and HTML."""
        context = {**context, "site_url": settings.BASE_URL, "device": describe(context.get("user_agent", ""))}
        layouts = ("mail/subject.txt", "mail/text.txt", "mail/html.html")
        subject, text, html = (
            render_to_string(f"{template_prefix}.html", {**context, "layout": layout}, self.request).strip() for layout in layouts
        )
        to = [email] if isinstance(email, str) else email
        message = EmailMultiAlternatives(
            " ".join(subject.split()), re.sub(r"\n{3,}", "\n\n", f"{text}\n"), self.get_from_email(), to, headers=headers
        )
        message.attach_alternative(html, "text/html")
        return message

    def add_message(self, request: HttpRequest, level: int, *args: Any, message: str | None = None, **more: Any) -> None:
        """allauth speaks of log-ins to whoever typed wrong codes too."""
        if message == self.error_messages["too_many_login_attempts"]:
            message = WRONG_CODES
        super().add_message(request, level, *args, message=message, **more)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is away is said, and logged; what the page was about is done all the same."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError:  # smtplib's errors are among them
            log.exception("a mail could not be sent: %s", template_prefix)
            messages.error(self.request, "We could not send a mail just now. Please try again in a few minutes.")


class SocialAdapter(DefaultSocialAccountAdapter):
    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        """A provider that is not set up has no pages."""
        try:
            return super().get_app(request, provider, client_id)
        except SocialApp.DoesNotExist:
            raise Http404 from None

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Of the addresses that a provider knows, the primary one counts: a user has one address here."""
        sociallogin.email_addresses = sorted(sociallogin.email_addresses, key=lambda address: (not address.primary, not address.verified))[
            :1
        ]
        if sociallogin.email_addresses:
            data["email"] = sociallogin.email_addresses[0].email
        user: User = super().populate_user(request, sociallogin, data)
        name = data.get("name") or sociallogin.account.extra_data.get("name") or ""
        user.name = str(name)[: User._meta.get_field("name").max_length]
        return user

    @transaction.atomic
    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = super().save_user(request, sociallogin, form)
        ensure_account(user)
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Somebody signed up with an address and never verified it; now its owner comes by way of Google or GitHub."""
        email = sociallogin._did_authenticate_by_email
        if email and not EmailAddress.objects.filter(user=sociallogin.user, email=email, verified=True).exists():
            hand_over(sociallogin.user, email)
            messages.warning(
                request,
                "This address had been signed up before, with a password, and was never verified. That password no longer works.",
            )


class MfaAdapter(DefaultMFAAdapter):
    """Secrets of second factors are stored encrypted, under SECRET_KEY."""

    def encrypt(self, text: str) -> str:
        return encrypt(text, SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text, SECOND_FACTOR)

    def _get_site_name(self) -> str:
        return "AkashML"
