"""A page in a browser without a network: what it asked for and what went wrong in it is kept."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page


@dataclass(frozen=True)
class Tab:
    """An open page, what it asked for, and what went wrong in it."""

    page: Page
    asked: list[str]
    wrong: list[str]


def until(page: Page, what: str) -> None:
    """Wait until an expression holds. Playwright's own way evaluates text in the page, which its policy forbids."""
    patience = time.monotonic() + 10
    while not page.evaluate(what):
        assert time.monotonic() < patience, what
        page.wait_for_timeout(20)


def opened(browser: Browser, path: Path, **options: Any) -> Tab:
    """Open the page where there is no network."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    tab = Tab(context.new_page(), [], [])
    context.on("request", lambda request: tab.asked.append(request.url))
    tab.page.on("console", lambda message: tab.wrong.append(message.text) if message.type == "error" else None)
    tab.page.on("pageerror", lambda error: tab.wrong.append(str(error)))
    tab.page.goto(path.as_uri())
    until(tab.page, "document.querySelector('#units .hoverlayer') !== null")
    return tab


def used(tab: Tab, path: Path) -> Iterator[Page]:
    """Yield the page; afterwards, nothing was asked of the network and nothing went wrong."""
    yield tab.page
    assert [url for url in tab.asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert tab.wrong == []
