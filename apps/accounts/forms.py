"""Forms: allauth's, where ours differ, and those of the settings."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from allauth.account import forms as account_forms
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base import forms as mfa_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from allauth.socialaccount import forms as social_forms
from django import forms
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from apps.accounts.actions import release_address
from apps.accounts.models import User

REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
USED_CODE_KEPT_S = 120  # a one-time code is good for 90 s: its own half minute, the one before and the one after


class Plain:
    """allauth repeats each label inside its field and asks for new passwords twice; ours can be looked at instead."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.label = str(field.label).capitalize()  # "New password", as everywhere here
        if "password1" in self.fields:
            self.fields["password1"].help_text = "At least 10 characters."


class LoginForm(Plain, account_forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username"
        self.fields["password"].help_text = ""  # the page has its own link for a forgotten one


class SignupForm(Plain, account_forms.SignupForm):
    account_already_exists: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "username"

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Whether the address is taken shows neither in the answer nor in how long it takes."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        else:
            try:
                with transaction.atomic():
                    return super().try_save(request)
            except IntegrityError:  # somebody signed up with it a moment ago
                self.account_already_exists = True
        return super().try_save(request)


class ConfirmEmailForm(Plain, account_forms.ConfirmEmailVerificationCodeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(inputmode="numeric", autocomplete="one-time-code", autofocus=True)

    def clean_code(self) -> str:
        """An address belongs to who proves it: whoever merely typed it in loses it. Raises ValidationError when somebody has verified it."""
        if self.user and compare_user_code(actual=self.cleaned_data["code"], expected=self.expected_code):
            with transaction.atomic():
                release_address(self.email, keep=self.user)
        return str(super().clean_code())


class ChangeEmailForm(Plain, account_forms.AddEmailForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "New email address"


class ChangePasswordForm(Plain, account_forms.ChangePasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].help_text = ""


class SetPasswordForm(Plain, account_forms.SetPasswordForm):
    pass


class ResetPasswordForm(Plain, account_forms.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(Plain, account_forms.ResetPasswordKeyForm):
    pass


class PasswordForm(Plain, account_forms.ReauthenticateForm):
    pass


class SocialSignupForm(Plain, social_forms.SignupForm):
    pass


class OneTimeCode(Plain, mfa_forms.BaseAuthenticateForm):
    def clean_code(self) -> str:
        """No code of an authenticator app is taken twice, for as long as it is good. Raises ValidationError."""
        code = super().clean_code()
        key = f"totp-used:{self.user.pk}:{''.join(filter(str.isalnum, code))}"
        if self.authenticator.type == Authenticator.Type.TOTP and not cache.add(key, True, USED_CODE_KEPT_S):
            raise get_mfa_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(OneTimeCode, mfa_forms.AuthenticateForm):
    pass


class ReauthenticateForm(OneTimeCode, mfa_forms.ReauthenticateForm):
    pass


class ActivateTotpForm(Plain, totp_forms.ActivateTOTPForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs.update(inputmode="numeric", autocomplete="one-time-code")


class ProfileForm(forms.Form):
    """Name of the user, time zone of the account."""

    name = forms.CharField(required=False, max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.ChoiceField(choices=lambda: time_zones(), help_text="Dates on your pages are shown in it. The API always speaks UTC.")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise forms.ValidationError("A name is made of letters, digits and the like.")
        return name


def time_zones() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """Every zone by its region, for a select; UTC on top."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(available_timezones()):
        region, _, place = zone.partition("/")
        if place and region in REGIONS:
            regions.setdefault(region, []).append((zone, place.replace("_", " ").replace("/", ", ")))
    return [("UTC", "UTC"), *regions.items()]
