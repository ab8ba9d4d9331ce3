"""Promise: signing up, logging in, resetting a password and coming by way of Google or GitHub work in a browser, by keyboard and without script."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import create_account_for
from apps.accounts.queries import user_by_email
from tests.browser.mailbox import code_for, last_mail_to, link_for
from tests.browser.soundness import assert_sound
from tests.browser.watching import Watch
from tests.fakes.oauth import FakeIdentityProvider, Person
from tests.people import new_email

PASSWORD = "correct horse battery"
NARROW = (320, 1440)


def log_in(page: Page, email: str, password: str = PASSWORD, *, path: str = "/accounts/login/?next=/settings/security") -> None:
    page.goto(path)
    page.get_by_role("textbox", name="Email").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def test_signing_up_with_the_code_from_the_mail(visitor: Page) -> None:
    email = new_email()
    visitor.goto("/accounts/signup/?next=/settings/profile")
    assert_sound(visitor)
    visitor.get_by_role("button", name="Create account").click()
    expect(visitor.get_by_role("alert")).to_be_focused()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="Email").fill(email)
    visitor.get_by_role("textbox", name="Password").fill(PASSWORD)
    visitor.get_by_role("button", name="Show password").click()
    expect(visitor.get_by_role("textbox", name="Password")).to_have_attribute("type", "text")
    visitor.get_by_role("button", name="Create account").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Check your mail")
    expect(visitor.get_by_label("Code")).to_be_focused()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_label("Code").fill("0000-0000")
    visitor.get_by_role("button", name="Verify").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Incorrect code")
    visitor.get_by_label("Code").fill(code_for(email))
    visitor.get_by_role("button", name="Verify").click()
    expect(visitor).to_have_url(re.compile("/settings/profile$"))
    assert user_by_email(email) is not None
    visitor.goto("/accounts/login/")
    expect(visitor).not_to_have_url(re.compile("/accounts/login/"))  # who is in need not log in


def test_logging_in_with_wrong_and_right_password_and_out(visitor: Page) -> None:
    member = create_account_for(new_email(), PASSWORD)
    log_in(visitor, member.user.email, "not the password")
    expect(visitor.get_by_role("alert")).to_contain_text("not correct")
    expect(visitor.get_by_role("alert")).to_be_focused()
    expect(visitor.get_by_role("textbox", name="Email")).to_have_value(member.user.email)  # what was typed is not lost
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="Password").fill(PASSWORD)
    visitor.get_by_role("button", name="Log in", exact=True).click()
    expect(visitor).to_have_url(re.compile("/settings/security$"))
    cookies = {cookie["name"]: cookie for cookie in visitor.context.cookies()}
    [session] = [cookie for name, cookie in cookies.items() if name.startswith("sessionid")]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
    assert "sessionid" not in visitor.evaluate("document.cookie")
    visitor.locator("#account-menu").evaluate("menu => menu.showPopover()")
    visitor.get_by_role("button", name="Log out").click()
    visitor.goto("/settings/security")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Log in")


def test_logging_in_by_keyboard_alone(visitor: Page) -> None:
    member = create_account_for(new_email(), PASSWORD)
    visitor.goto("/accounts/login/?next=/settings/security")
    reached: list[str] = []
    for _ in range(12):
        visitor.keyboard.press("Tab")
        name = visitor.evaluate("document.activeElement.name || document.activeElement.textContent.trim()")
        assert visitor.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", name
        reached.append(name)
        if name == "login":
            visitor.keyboard.type(member.user.email)
        elif name == "password":
            visitor.keyboard.type(PASSWORD)
            visitor.keyboard.press("Enter")
            break
    expect(visitor).to_have_url(re.compile("/settings/security$"))
    assert reached.index("login") < reached.index("password")


def test_logging_in_without_script(open_page: Callable[..., Page]) -> None:
    member = create_account_for(new_email(), PASSWORD)
    page = open_page(java_script_enabled=False)
    log_in(page, member.user.email)
    expect(page).to_have_url(re.compile("/settings/security$"))
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)


def test_resetting_a_forgotten_password(visitor: Page, open_page: Callable[..., Page]) -> None:
    member = create_account_for(new_email(), PASSWORD)
    elsewhere = open_page(user=member.user)
    visitor.goto("/accounts/login/")
    visitor.get_by_role("link", name="Forgot your password?").click()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="Email").fill(member.user.email)
    visitor.get_by_role("button", name="Send the link").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Check your mail")
    link = link_for(member.user.email)
    visitor.goto(link)
    assert link.rsplit("-", 1)[1] not in visitor.url
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("textbox", name="New password").fill("a new good password")
    visitor.get_by_role("button", name="Set password and log in").click()
    expect(visitor.get_by_text("Password changed")).to_be_visible()
    elsewhere.goto("/settings/security")
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Log in")
    elsewhere.goto(link)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("This link no longer works")
    assert "password was reset" in last_mail_to(member.user.email)["subject"]


@pytest.mark.parametrize("name", ["Google", "GitHub"])
def test_coming_by_way_of(visitor: Page, watch: Watch, identity_provider: FakeIdentityProvider, name: str) -> None:
    watch.allow_host(identity_provider.host)
    identity_provider.person = None
    visitor.goto("/accounts/login/?next=/settings/security")
    visitor.get_by_role("button", name=name).click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text("You cancelled the log-in")
    identity_provider.person = Person(new_email())
    visitor.goto("/accounts/login/?next=/settings/security")
    visitor.get_by_role("button", name=name).click()
    expect(visitor).to_have_url(re.compile("/settings/security$"))
    expect(visitor.get_by_text(f"{name} can log you in")).to_be_visible()
    visitor.get_by_role("link", name="Manage").click()
    expect(visitor.get_by_role("button", name=f"Connect {name}", exact=True)).to_be_visible()
    assert_sound(visitor, widths=NARROW)
    visitor.get_by_role("button", name="Disconnect").click()
    expect(visitor.get_by_role("alert")).to_contain_text("no password")
    assert identity_provider.refused == []
