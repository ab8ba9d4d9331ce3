"""Views of allauth's that answer differently here; akashml/urls.py puts them before allauth's own."""

from __future__ import annotations

from typing import Any

from allauth.account.views import ConfirmEmailVerificationCodeView
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse


class ConfirmEmail(ConfirmEmailVerificationCodeView):
    def _resend_form_valid(self, form: Any) -> HttpResponse:
        """Asked too soon, the page says so and stays as it is; allauth would end in an error page."""
        try:
            answer: HttpResponse = super()._resend_form_valid(form)
        except ImmediateHttpResponse:
            messages.error(self.request, "A code went out a moment ago. Wait a little before you ask for another.")
            return HttpResponseRedirect(self.passthrough_next_url(reverse("account_email_verification_sent")))
        messages.success(self.request, "Another code is on its way. The one before no longer works.")
        return answer
