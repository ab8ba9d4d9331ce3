"""`python -m benchmarks.playground_page`: how soon a long conversation is on the screen, and what four answers that grow cost a frame.

Chromium in front of one process that serves everything. What is counted of frames is the CPU time of the page's main thread, from
Chromium's own trace: how late a frame comes on the clock says as much about what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID

from akashml.runner import lock
from akashml.runner.errors import StartError
from benchmarks import machine
from benchmarks.contenders import MockBackend
from benchmarks.loads import LoadFailed
from benchmarks.ours import PRICES_PICO, ROOT, Ours, set_environment
from benchmarks.stats import percentile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from apps.accounts.models import User

MESSAGES, PANES, PER_S, SECONDS = 2_000, 4, 200, 5
FRAME_MS = 1000 / 60
MODEL = "bench/a-model"
END = "the very end"
RICH = """## Part {n}

Some words with **weight**, `code`, a [link](https://example.com/{n}) and a formula, $e^{{i\\pi}} + {n} = 0$, as models write them when they are
asked to explain a thing at length.

| Name | Value | What it is |
|---|---:|---|
| alpha | {n} | the first of them |
| beta | {n}.5 | the second, which is longer |

```python
def part_{n}(values: list[int]) -> int:
    # The sum of all that is even.
    return sum(value for value in values if value % 2 == 0) + {n}
```

$$\\sum_{{k=0}}^{{{n}}} k = \\frac{{{n}({n}+1)}}{{2}}$$

1. one thing
2. another thing
   - and a part of it

"""
# Says when the end of the conversation was painted, and when it was in colours.
WATCH = f"""(() => {{
  const painted = (name) => requestAnimationFrame(() => setTimeout(() => (window[name] ??= performance.now())));
  const look = () => {{
    const last = document.querySelector(".transcript .message.assistant:last-child .answer");
    if (!last?.textContent.includes("{END}")) return;
    painted("shown");
    if (last.querySelector(".hljs-keyword") && last.querySelector("math")) {{ painted("settled"); observer.disconnect(); }}
  }};
  const observer = new MutationObserver(look);
  observer.observe(document, {{ subtree: true, childList: true, characterData: true }});
  addEventListener("click", () => (window.clicked = performance.now()), {{ capture: true }});
}})()"""
FRAMES = """(seconds) => new Promise((resolve) => {
  const frames = [];
  const until = performance.now() + seconds * 1000;
  const next = (now) => { frames.push(now); now < until ? requestAnimationFrame(next) : resolve(frames); };
  requestAnimationFrame(next);
})"""


def answer(number: int) -> str:
    return "".join(RICH.format(n=number + part) for part in range(2)) + (END if number == MESSAGES - 1 else "")


def session_of(user: User) -> str:
    """The value of the cookie of a new session."""
    from django.test import Client

    from apps.accounts.session_cookie import seal

    client = Client()
    client.force_login(user)
    return seal(client.session.session_key or "")


# --- How soon it is there


def opened(page: Page, begin: str) -> dict[str, float]:
    """Milliseconds from `begin` until the end of the conversation was painted, and until it was in colours; and the server's part."""
    page.wait_for_function("window.settled")
    found: dict[str, Any] = page.evaluate(
        """(begin) => {
          const asked = performance.getEntriesByType("resource").filter(({ name }) => /conversations\\/[^/]+$/.test(name));
          return { shown: shown - eval(begin), settled: settled - eval(begin), server: asked[0].responseStart - asked[0].requestStart, bytes: asked[0].encodedBodySize };
        }""".replace("eval(begin)", begin),
        begin,
    )
    return found


def by_click(context: BrowserContext, conversation: UUID) -> dict[str, float]:
    page = context.new_page()
    page.goto("/playground")
    page.wait_for_selector(".bench[data-ready]")
    page.wait_for_load_state("networkidle")
    page.click(f'.rail a[data-id="{conversation}"]')
    return opened(page, "window.clicked")


def by_address(context: BrowserContext, conversation: UUID) -> dict[str, float]:
    page = context.new_page()
    page.goto(f"/playground?c={conversation}")
    return opened(page, "0")


# --- What a frame costs


def grown(browser: Browser, context: BrowserContext, conversation: UUID, trace: Path) -> dict[str, float]:
    """Four answers of PER_S pieces a second for SECONDS: what the main thread did for each frame."""
    page = context.new_page()
    page.goto(f"/playground?c={conversation}")
    page.wait_for_selector(".bench[data-ready]")
    page.wait_for_load_state("networkidle")
    page.get_by_label("Message", exact=True).fill("Explain")
    page.get_by_label("Message", exact=True).press("Enter")
    page.wait_for_function(f"document.querySelectorAll('.message[data-running] .answer h2').length >= {PANES}")
    browser.start_tracing(page=page, path=trace, categories=["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"])
    stamps = page.evaluate(FRAMES, SECONDS - 2)
    browser.stop_tracing()
    page.get_by_role("button", name="Stop", exact=True).click()
    late = sum(1 for one, two in pairwise(stamps) if two - one > FRAME_MS * 1.5)
    return {"frames": len(stamps) - 1, "late": late} | main_thread(json.loads(trace.read_text())["traceEvents"], len(stamps) - 1)


def main_thread(events: list[dict[str, Any]], frames: int) -> dict[str, float]:
    """CPU time of the page's main thread in ms: by frame and kind of work, and its longest pieces."""
    threads = {(e["pid"], e["tid"]) for e in events if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    ran = [e for e in events if e.get("ph") == "X" and "tdur" in e and (e["pid"], e["tid"]) in threads]
    kinds = {
        "script": ("FunctionCall", "FireAnimationFrame"),
        "style": ("UpdateLayoutTree",),
        "layout": ("Layout",),
        "paint": ("Paint", "PrePaint", "Layerize", "Commit"),
    }
    cost = {f"{kind} ms/frame": sum(e["tdur"] for e in ran if e["name"] in names) / 1000 / frames for kind, names in kinds.items()}
    tasks = sorted(e["tdur"] / 1000 for e in ran if e["name"] == "ThreadControllerImpl::RunTask")
    return {
        "main thread ms/frame": sum(tasks) / frames,
        **cost,
        "tasks over 16 ms": sum(1 for one in tasks if one > 16),
        "longest task ms": max(tasks, default=0),
    }


# --- All of it


class Pieces:
    """The fake backend's answer: four characters a piece, which is what a token has."""

    def __init__(self) -> None:
        from tests.fakes import FakeBackend

        self.backend = FakeBackend()
        text = "".join(RICH.format(n=number) for number in range(40))[: PER_S * (SECONDS + 5) * 4]
        self.backend.reply(chunks=[text[at : at + 4] for at in range(0, len(text), 4)], delay_s=1 / PER_S)


@contextmanager
def chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's loop belongs to it alone
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def summary(name: str, turns: list[dict[str, float]]) -> str:
    rows = [f"{name} ({len(turns)} turns; median, least, most)"]
    for what in turns[0]:
        found = [turn[what] for turn in turns]
        rows.append(f"  {what:22} {median(found):10.1f} {min(found):10.1f} {percentile(found, 100):10.1f}")
    return "\n".join(rows)


def run(folder: Path, rounds: int, only: str, stack: ExitStack) -> None:
    cores = machine.cores()
    ours = Ours(folder / "instance", MockBackend(folder, cores), cores)
    ours.start(stack)
    from django.conf import settings

    from apps.accounts.models import Membership
    from apps.catalog.actions import save_backend, save_model
    from tests.playground.keeping import keep_conversation

    member = Membership.objects.select_related("user", "account").get()
    backend = Pieces().backend
    stack.enter_context(backend)
    model, _ = save_model(MODEL, {"context_length": 10_000_000}, PRICES_PICO)
    save_backend(model, backend.base_url, {"upstream_model": "mock-model"})
    texts = [answer(number) if number % 2 else f"Question {number}" for number in range(MESSAGES)]
    long = keep_conversation(member.user, member.account, texts, [MODEL])[0]
    with ours.gateway() as gateway, chromium() as browser:
        origin = f"http://127.0.0.1:{gateway.port}"

        @contextmanager
        def fresh() -> Iterator[BrowserContext]:
            """A browser that was never here. Waiting for what a page says needs eval, which the policy forbids."""
            context = browser.new_context(base_url=origin, viewport={"width": 1440, "height": 900}, bypass_csp=True)
            context.set_default_timeout(60_000)
            context.add_init_script(WATCH)
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(member.user), "url": origin}])
            yield context
            context.close()

        ways = {"by click": by_click, "by address": by_address} if only != "frames" else {}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                with fresh() as context:
                    turn = way(context, long)
                if number:
                    found[name].append(turn)
        if only != "open":
            found["four growing answers"] = []
            for _ in range(max(1, rounds // 3)):
                panes, _ = keep_conversation(member.user, member.account, [], [MODEL] * PANES)
                with fresh() as context:
                    found["four growing answers"].append(grown(browser, context, panes, folder / "trace.json"))
    print(f"load {os.getloadavg()[0]:.1f}")
    for name, turns in found.items():
        print(summary(name, turns))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.playground_page", description="What the Playground's page takes in a browser."
    )
    parser.add_argument("--rounds", type=int, default=9, help="turns (9)")
    parser.add_argument("--only", choices=["open", "frames"], default="", help="one of the two")
    options = parser.parse_args()
    folder = Path(os.environ.get("DATA_DIR", "").strip() or ROOT / ".data").resolve() / "bench"
    try:
        held = lock.take(folder)  # noqa: F841 - held until we end
        set_environment(folder / "instance")
        os.environ["SERVE"] = "all"
        with ExitStack() as stack:
            run(folder, options.rounds, options.only, stack)
    except (machine.MissingProgram, LoadFailed, StartError, OSError) as error:
        print(f"playground_page: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
