"""Promise: log, usage and overview are read and used in a browser: filtered, live, by mouse and keyboard, empty, small and huge."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.api_keys.actions import create_key
from apps.dashboard.progress import skip
from apps.usage.models import Status
from tests.browser.soundness import assert_never_scrolls_sideways, assert_sound
from tests.browser.watching import Watch, page_settled
from tests.dashboard.history import made_up, priced_model, request_at, summed

pytest_plugins = ["tests.dashboard.history"]

WIDTHS = (320, 768, 1440)
USD = 10**9
MOST_BYTES = 150_000
HUGE = """
INSERT INTO usage_inference
SELECT ((to_char((extract(epoch FROM now()) * 1000)::bigint - n * 400000, 'FM000000000000000') || lpad(to_hex(n), 17, '0')))::uuid, %(account)s,
  NULL, %(model)s, 1, NULL, NULL, 1 + n %% 4, n %% 2 = 0, 1 + (n %% 40 = 0)::int + (n %% 50 = 0)::int, 200, 'stop', '',
  900000000, 800000000, 9000000, 8000000, n %% 9 = 0, 123456789012345, 123456789012345, '{}', '{}',
  now() - n * interval '400 seconds', now() - n * interval '400 seconds', 12, 310 + n %% 900, 4000 + n * 7 %% 90000
FROM generate_series(1, %(many)s) n
"""
# How many pixels of a chart's drawing are not blank.
INK = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, canvas.width, canvas.height).data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""


def open_at(page: Page, address: str) -> None:
    page.goto(address)
    page_settled(page)


def test_an_empty_account_is_told_what_will_be_here(customer_page: Page, member: Registered) -> None:
    skip(member.account)
    for address, words in (("/inferences", "No inferences yet"), ("/usage", "No usage in this time"), ("/dashboard", "No inferences yet")):
        open_at(customer_page, address)
        expect(customer_page.get_by_role("heading", name=words)).to_be_visible()
        assert_sound(customer_page, widths=WIDTHS)


def test_the_log_is_filtered_and_read_beside_its_detail(customer_page: Page, member: Registered, watch: Watch) -> None:
    watch.allow("status of 422")
    page, model = customer_page, priced_model()
    key, _ = create_key(member.account, "production")
    good = request_at(member.account, timedelta(minutes=9), model_id=model.pk, key_id=key.pk, price_id=model.prices.get().pk)
    bad = request_at(member.account, timedelta(minutes=8), status=Status.FAILED, http_status=502, error_code="backend_error")
    open_at(page, "/inferences")
    rows = page.locator("#log-rows tr[data-id]")
    expect(rows).to_have_count(2)
    assert_sound(page, widths=WIDTHS)

    page.get_by_label("Status").select_option("Failed")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/inferences\?status=failed$"))
    page.get_by_text("More filters").click()
    page.get_by_label("Charged at least").fill("-1")
    page.get_by_label("Charged at least").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Charged at least")
    page.get_by_label("Charged at least").fill("")
    page.get_by_label("Status").select_option("Any status")
    expect(page).to_have_url(re.compile(r"/inferences$"))
    expect(rows).to_have_count(2)

    link = rows.nth(1).get_by_role("link")
    link.focus()
    link.press("Enter")
    panel = page.get_by_role("complementary", name="Inference", exact=True)
    expect(panel.get_by_text("the actual usage is charged")).to_be_visible()
    expect(panel.locator("[data-panel-title]")).to_be_focused()
    expect(page).to_have_url(re.compile(f"open={good.pk}$"))
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    assert_sound(page, widths=WIDTHS)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(link).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(rows.nth(0).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_text("backend_error")).to_be_visible()
    page.go_back()
    expect(panel).to_be_hidden()
    expect(rows).to_have_count(2)

    # The id alone finds it: in the search, and in the palette.
    page_settled(page)
    page.get_by_label("Inference-Id").fill(str(bad.pk)[:13])
    expect(rows).to_have_count(1)
    page.keyboard.press("Control+k")
    page.keyboard.type(str(good.pk))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(str(good.pk))
    assert_sound(page, widths=WIDTHS)


def test_new_requests_arrive_where_they_belong_while_live(customer_page: Page, member: Registered) -> None:
    page = customer_page
    first = request_at(member.account, timedelta(minutes=5))
    open_at(page, "/inferences")
    rows = page.locator("#log-rows tr[data-id]")
    expect(rows).to_have_count(1)
    newest = request_at(member.account, timedelta(), settled_at=timezone.now())
    expect(rows).to_have_count(2)
    long = request_at(member.account, timedelta(minutes=3), settled_at=timezone.now())
    expect(rows).to_have_count(3)
    assert [row.get_attribute("data-id") for row in rows.all()] == [str(one.pk) for one in (newest, long, first)]
    page.get_by_role("switch", name="Live").uncheck()
    page.reload()
    page_settled(page)
    expect(page.get_by_role("switch", name="Live")).not_to_be_checked()  # it is remembered


@pytest.mark.timeout(300)
def test_charts_are_hovered_toggled_and_read_as_tables(customer_page: Page, member: Registered) -> None:
    page, model, other = customer_page, priced_model(), priced_model()
    skip(member.account)
    rows = [
        request_at(member.account, timedelta(days=day), model_id=(model if day % 3 else other).pk, cost=day * USD, charged=day * USD)
        for day in range(1, 12)
    ]
    summed(rows)
    open_at(page, "/usage")
    chart = page.locator("section", has=page.get_by_role("heading", name="Spend a day by model"))
    expect(chart.locator("canvas")).to_have_count(1)
    whole = chart.locator("canvas").evaluate(INK)
    assert whole > 1_000
    over = chart.locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    # The last day but one: one dollar.
    page.mouse.move(box["x"] + box["width"] * 28 / 29, box["y"] + box["height"] / 2)
    tip = chart.locator(".chart-tip")
    expect(tip).to_contain_text("$1.00")
    expect(tip).to_contain_text(model.short_name)
    legend = chart.get_by_role("button", name=model.short_name)
    legend.click()
    expect(legend).to_have_attribute("aria-pressed", "false")
    page.mouse.move(box["x"] + box["width"] * 27.9 / 29, box["y"] + box["height"] / 2)
    expect(tip).to_be_visible()
    expect(tip).not_to_contain_text(model.short_name)
    legend.click()
    chart.get_by_text("Show data").click()
    expect(chart.get_by_role("table").get_by_text("$11.000000")).to_be_visible()
    assert_sound(page, widths=WIDTHS)

    page.emulate_media(color_scheme="light")
    light = chart.locator("canvas").evaluate(INK)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert chart.locator("canvas").evaluate(INK) > light / 2  # drawn again, not lost

    page.get_by_label("Group by").select_option("By status")
    expect(page.get_by_role("heading", name="Spend a day by status")).to_be_visible()
    page.get_by_text("7 d", exact=True).click()
    expect(page).to_have_url(re.compile("range=7d"))
    expect(page.locator("#usage canvas").first).to_be_visible()
    page.get_by_text("Custom", exact=True).click()
    expect(page.get_by_label("From")).to_be_visible()
    assert_sound(page, widths=WIDTHS)
    page.go_back()
    expect(page.get_by_label("From")).to_be_hidden()
    expect(page.locator("#usage canvas").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
        page.locator("#export-menu").get_by_role("link", name="CSV").first.click()
    assert download.value.suggested_filename.startswith("akashml-usage-")

    open_at(page, "/dashboard")
    expect(page.get_by_role("heading", name="Top models")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(1)
    assert_sound(page, widths=WIDTHS)


@pytest.mark.timeout(300)
def test_a_huge_account_fits_and_weighs_little(open_page: Callable[..., Page], member: Registered) -> None:
    skip(member.account)
    made_up.add(member.account.pk)
    model = priced_model(f"an-organisation-with-a-name/{'Very-Long-Model-Name-' * 6}{member.account.pk}")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(HUGE, {"account": member.account.pk, "model": model.pk, "many": 3_000})
        cursor.execute(
            "SELECT DISTINCT usage_refold((settled_at AT TIME ZONE 'UTC')::date) FROM usage_inference WHERE account_id = %s",
            [member.account.pk],
        )
        cursor.execute("RESET statement_timeout")
    for address in ("/usage", "/inferences", "/dashboard"):
        page = open_page(user=member.user)
        weights: list[int] = []
        page.on("response", lambda answer, weights=weights: weights.append(answer.request.sizes()["responseBodySize"]))  # type: ignore[misc]
        page.goto(address, wait_until="networkidle")
        assert sum(weights) < MOST_BYTES, (address, sum(weights))
        assert_never_scrolls_sideways(page, WIDTHS)
