"""Promise: what a model writes runs no script, loads nothing from elsewhere, and leads only to ordinary addresses (acceptance 40)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.actions import Registered
from apps.billing.credits import grant_credit
from apps.billing.models import PoolKind
from apps.core.ids import uuid7
from tests.browser.talking import answers, ask, expect_finished, open_playground
from tests.fakes import FakeBackend
from tests.gateway.calls import offer
from tests.gateway.processes import GatewayProcess

pytest_plugins = ["tests.fakes.fixtures"]

# Each sets window.harmed, or asks another host for something, where a page trusts it. The watch of every browser test fails on any
# request to another host and on any complaint of the policy in the console: nothing may even be tried.
CORPUS = [
    '<img src=x onerror="window.harmed = 1">',
    '<img src="https://evil.example/a.png">',
    "<script>window.harmed = 1</script>",
    '<svg onload="window.harmed = 1"><script>window.harmed = 1</script></svg>',
    '<iframe src="javascript:parent.harmed = 1"></iframe>',
    '<iframe srcdoc="<script>parent.harmed = 1</script>"></iframe>',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.harmed=1&gt;">',
    '<form action="https://evil.example"><button>Send</button></form>',
    '<style>body { background: url("https://evil.example/b.png") }</style>',
    '<link rel="stylesheet" href="https://evil.example/c.css"><base href="https://evil.example/">',
    '<a href="javascript:window.harmed = 1">click</a>',
    "[click](javascript:window.harmed=1)",
    "[click](JaVaScRiPt:window.harmed=1)",
    "[click](java&#115;cript:window.harmed=1)",
    "[click](\x01javascript:window.harmed=1)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[click](vbscript:msgbox(1))",
    "[click](file:///etc/passwd)",
    "[click](/settings/data/delete)",
    "[click](//evil.example/d)",
    '[click](https://evil.example/e "x\\" onmouseover=\\"window.harmed=1")',
    "<javascript:window.harmed=1>",
    "![picture](https://evil.example/f.png)",
    "![picture](//evil.example/g.png)",
    "![picture](javascript:window.harmed=1)",
    "![picture][ref]\n\n[ref]: https://evil.example/h.png",
    '[![picture](https://evil.example/i.png)](https://evil.example/j "t")',
    '```html"><img src=x onerror=window.harmed=1>\n<img src=x onerror=window.harmed=1>\n```',
    '``` "onmouseover=window.harmed=1\n</code></pre><script>window.harmed=1</script>\n```',
    "`</code><img src=x onerror=window.harmed=1>`",
    "| a |\n|---|\n| <img src=x onerror=window.harmed=1> |",
    "$\\href{javascript:window.harmed=1}{x}$",
    "$\\includegraphics{https://evil.example/k.png}$",
    "$\\style{background:url(https://evil.example/l.png)}{x}$",
    "$\\htmlData{x=1}{\\text{<img src=x onerror=window.harmed=1>}}$",
    "$$\n\\text{</math><img src=x onerror=window.harmed=1>}\n$$",
    "$\\def\\a{\\a\\a}\\a$",
    "> " * 500 + "deep",
    "*" * 5000,
    "[" * 5000,
]
LINKS = """() => [...document.querySelectorAll(".answer a")].map((link) => [link.protocol, link.rel, link.target])"""
ELEMENTS = """() => [...new Set([...document.querySelectorAll(".answer *")].map((one) => one.localName))]"""
HANDLERS = """() => [...document.querySelectorAll(".answer *")].flatMap((one) => one.getAttributeNames()).filter((name) => /^on|^src|^srcdoc|^action/.test(name))"""
FORBIDDEN = {"script", "img", "iframe", "form", "style", "link", "base", "object", "embed", "input", "video", "audio"}


@pytest.mark.timeout(300)
def test_no_answer_harms_the_page(customer_page: Page, member: Registered, site: GatewayProcess, backend: FakeBackend) -> None:
    page = customer_page
    grant_credit(member.account.pk, 10**9, PoolKind.PROMOTION, f"test:{uuid7()}")
    model = offer(site, backend.base_url)
    open_playground(page, f"?model={model.name}")
    whole = "\n\n".join(CORPUS)
    # In pieces, as answers come: whatever stands there half-way is drawn too.
    backend.reply(chunks=[whole[at : at + 7] for at in range(0, len(whole), 7)] + ["\n\nThe end."])
    ask(page, '<img src=x onerror="window.harmed = 1"> ![](https://evil.example/m.png)')
    expect_finished(page)
    expect(answers(page).locator(".answer > p").last).to_have_text("The end.")
    expect(answers(page).locator("a", has_text="Image: picture").first).to_be_visible()
    assert_harmless(page)
    # As it was kept, after a reload; thinking, too, is text.
    backend.reply("Done", reasoning=whole)
    ask(page, "Think")
    expect(answers(page).locator(".thought").last).to_contain_text("onerror")
    expect_finished(page)
    page.reload()
    expect(answers(page).first.locator(".answer > p").last).to_have_text("The end.")
    answers(page).first.locator(".answer a").first.hover()
    assert_harmless(page)


def assert_harmless(page: Page) -> None:
    assert page.evaluate("() => window.harmed") is None
    links = page.evaluate(LINKS)
    assert links, "the corpus has links that are fine"
    assert {protocol for protocol, _, _ in links} <= {"http:", "https:", "mailto:"}
    assert {(rel, target) for _, rel, target in links} == {("noopener noreferrer nofollow", "_blank")}
    assert not FORBIDDEN & set(page.evaluate(ELEMENTS))
    assert page.evaluate(HANDLERS) == []
