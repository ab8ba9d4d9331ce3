"""Promise: second factors, passkeys, sessions, addresses, export and deletion work in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered, create_account_for
from apps.accounts.queries import user_by_email
from apps.api_keys.actions import create_key
from tests.browser.mailbox import code_for
from tests.browser.soundness import assert_sound
from tests.browser.test_people_get_in_and_out import NARROW, PASSWORD, log_in
from tests.browser.watching import Watch
from tests.gateway.processes import GatewayProcess
from tests.people import new_email


@pytest.fixture
def guarded() -> Registered:
    """A member who logs in with PASSWORD."""
    return create_account_for(new_email(), PASSWORD)


def code_of(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows, some half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30 + steps))


def test_an_authenticator_app_and_recovery_codes(visitor: Page, guarded: Registered) -> None:
    log_in(visitor, guarded.user.email)
    assert_sound(visitor)
    visitor.get_by_role("link", name="Set up").click()
    visitor.get_by_text("Cannot scan it?").click()
    secret = visitor.locator("#totp-secret").inner_text()
    assert visitor.locator(".qr").evaluate("picture => picture.naturalWidth") > 0  # the policy lets it be drawn
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_label("Authenticator code").fill("123456")
    visitor.get_by_role("button", name="Turn on").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Incorrect code")
    visitor.get_by_label("Authenticator code").fill(code_of(secret))
    visitor.get_by_role("button", name="Turn on").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    codes = visitor.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("button", name="Copy").click()
    assert visitor.evaluate("navigator.clipboard.readText()").split() == codes
    with visitor.expect_download() as download:
        visitor.get_by_role("link", name="Download").click()
    assert set(codes) <= set(Path(download.value.path()).read_text().split())
    for code in (code_of(secret, 1), codes[0]):
        visitor.context.clear_cookies()
        log_in(visitor, guarded.user.email)
        expect(visitor.get_by_role("heading", level=1)).to_have_text("One more step")
        visitor.get_by_label("Code").fill(code)
        visitor.get_by_role("button", name="Log in").click()
        expect(visitor).to_have_url(re.compile("/settings/security$"))
    expect(visitor.get_by_text("9 of 10 left")).to_be_visible()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("link", name="Turn off").click()
    visitor.get_by_role("button", name="Turn off").click()
    expect(visitor.get_by_text("The authenticator app is off.")).to_be_visible()


def test_a_passkey_is_added_logs_in_and_is_removed(visitor: Page, watch: Watch, site: GatewayProcess, guarded: Registered) -> None:
    home = f"http://localhost:{site.port}"  # browsers keep passkeys for names alone
    watch.allow_host(f"localhost:{site.port}")
    devtools = visitor.context.new_cdp_session(visitor)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options | {"automaticPresenceSimulation": True}})

    log_in(visitor, guarded.user.email, path=f"{home}/accounts/login/?next=/settings/security")
    visitor.get_by_role("link", name="Add").click()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_label("Name").fill("My laptop")
    visitor.get_by_role("button", name="Create passkey").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Recovery codes")

    visitor.context.clear_cookies()
    visitor.goto(f"{home}/accounts/login/?next=/settings/security")
    visitor.get_by_role("button", name="Use a passkey").click()
    expect(visitor).to_have_url(re.compile("/settings/security$"))
    expect(visitor.get_by_text("My laptop")).to_be_visible()
    assert_sound(visitor, widths=NARROW)

    visitor.context.clear_cookies()
    log_in(visitor, guarded.user.email, path=f"{home}/accounts/login/?next=/settings/security")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("One more step")
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("button", name="Use a passkey").click()
    expect(visitor).to_have_url(re.compile("/settings/security$"))

    visitor.get_by_role("link", name="Rename My laptop").click()
    visitor.get_by_label("Name").fill("Old laptop")
    visitor.get_by_role("button", name="Save").click()
    visitor.get_by_role("link", name="Remove Old laptop").click()
    visitor.get_by_role("button", name="Remove passkey").click()
    expect(visitor).to_have_url(re.compile("/settings/security$"))
    expect(visitor.get_by_text("Old laptop")).to_have_count(0)

    visitor.context.clear_cookies()
    visitor.goto(f"{home}/accounts/login/")
    visitor.get_by_role("button", name="Use a passkey").click()  # the device still has it; the site does not
    expect(visitor.locator(".toast.error, [role=alert]:visible").first).to_be_visible()
    expect(visitor).to_have_url(re.compile("/accounts/login/"))


def test_sessions_of_other_browsers_are_signed_out(visitor: Page, open_page: Callable[..., Page], guarded: Registered) -> None:
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
    phone = open_page(user_agent=agent)
    for page in (phone, visitor):
        log_in(page, guarded.user.email)
        expect(page).to_have_url(re.compile("/settings/security$"))
    visitor.get_by_role("button", name="Sign out Safari on iPhone").click()
    expect(visitor.get_by_text("That browser is signed out.")).to_be_visible()
    phone.goto("/settings/security")
    expect(phone.get_by_role("heading", level=1)).to_have_text("Log in")
    expect(visitor.get_by_text("This browser")).to_be_visible()


def test_another_address_counts_once_it_is_verified(visitor: Page, guarded: Registered) -> None:
    email = new_email()
    log_in(visitor, guarded.user.email)
    visitor.get_by_role("link", name="Profile").click()
    assert_sound(visitor)
    visitor.get_by_label("Name").fill("Ada Lovelace")
    visitor.get_by_label("Time zone").select_option("Europe/Berlin")
    visitor.get_by_role("button", name="Save").click()
    expect(visitor.get_by_text("Profile saved.")).to_be_visible()
    visitor.get_by_role("link", name="Change").click()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_label("New email address").fill(email)
    visitor.get_by_role("button", name="Send the code").click()
    assert user_by_email(email) is None
    visitor.get_by_label("Code").fill(code_for(email))
    visitor.get_by_role("button", name="Verify").click()
    expect(visitor.get_by_text(f"Your address {email} is verified.")).to_be_visible()
    changed = user_by_email(email)
    assert changed == guarded.user
    assert changed is not None
    assert changed.name == "Ada Lovelace"


def test_changing_the_password(visitor: Page, guarded: Registered) -> None:
    log_in(visitor, guarded.user.email)
    visitor.get_by_role("link", name="Change").first.click()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="Current password").fill("not it")
    visitor.get_by_role("textbox", name="New password").fill("short")
    visitor.get_by_role("button", name="Change password").click()
    expect(visitor.get_by_role("alert")).to_contain_text("2 fields need a change")
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="Current password").fill(PASSWORD)
    visitor.get_by_role("textbox", name="New password").fill("a new good password")
    visitor.get_by_role("button", name="Change password").click()
    expect(visitor.get_by_text("Password changed.")).to_be_visible()


def test_taking_everything_along_and_leaving(visitor: Page, watch: Watch, guarded: Registered) -> None:
    watch.allow("status of 422")
    create_key(guarded.account, "production")
    log_in(visitor, guarded.user.email)
    visitor.get_by_role("link", name="Your data").click()
    assert_sound(visitor)
    with visitor.expect_download() as download:
        visitor.get_by_role("link", name="Download JSON").click()
    content = json.loads(Path(download.value.path()).read_text())
    assert content["user"]["email"] == guarded.user.email
    assert [key["name"] for key in content["api_keys"]] == ["production"]
    visitor.get_by_role("link", name="Delete…").click()
    expect(visitor.get_by_text("1 working key will stop")).to_be_visible()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("button", name="Delete my account").click()
    expect(visitor.get_by_role("alert")).to_be_focused()
    visitor.get_by_label("Your email address").fill(guarded.user.email)
    visitor.get_by_role("button", name="Delete my account").click()
    expect(visitor.get_by_text("Your account is deleted.")).to_be_visible()
    assert user_by_email(guarded.user.email) is None
