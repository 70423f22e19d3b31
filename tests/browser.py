"""A real Chromium, and what every visit to a page of ours is held to."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response, sync_playwright

MILLISECONDS = 10_000  # more than anything here may take
_FLAGS = [
    "--no-sandbox",  # tests of a root
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]
# Chromium writes a line for each answer that is an error; tests look at those themselves.
_ANSWERS = ("Failed to load resource: ",)


def program() -> str:
    """Return Chromium's path, or skip; in CI its absence is a failure."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed, and CI must not skip")
        pytest.skip("needs chromium")
    return path


@contextmanager
def running() -> Iterator[Browser]:
    """Start Chromium; Playwright's own download of it is never asked for."""
    path = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, all it asked for, and all it complained of."""

    page: Page
    origin: str
    answers: list[Response] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(MILLISECONDS)
        self.page.on("response", lambda answer: self.answers.append(answer))  # noqa: PLW0108
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        known = message.text.startswith(_ANSWERS)
        if message.type in ("error", "warning") and not known:
            self.complaints.append(message.text)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.origin + path)
        return self.page

    def value(self) -> Page:
        """Press the button and wait for the answer and its chart."""
        self.page.get_by_role("button", name="Value this home").click()
        self.page.locator("#report").wait_for()
        self.page.locator("#result[aria-busy=false]").wait_for()
        return self.page

    def predictions(self) -> list[dict[str, Any]]:
        """Return all that /v1/predict has answered so far."""
        found = [a for a in self.answers if "/v1/predict" in a.url and a.ok]
        return [one.json() for one in found]

    def sent(self) -> list[Any]:
        """Return the bodies that were sent to /v1/predict."""
        found = [a.request for a in self.answers if "/v1/predict" in a.url]
        return [one.post_data_json for one in found]

    def is_accessible(self) -> None:
        """Let axe-core look at the page as it is now."""
        found = Axe().run(self.page)
        assert not found.violations_count, found.generate_report()

    def has_no_side_scroll(self) -> None:
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) == 0

    def ended_well(self) -> None:
        """No error, nothing that the policy forbids, nothing from elsewhere or kept."""
        assert not self.complaints
        for url in self.asked:
            assert url.startswith((f"{self.origin}/", "blob:")), "from elsewhere"
        kept = "[localStorage.length, sessionStorage.length, document.cookie.length]"
        if urlsplit(self.page.url).scheme == "http":
            assert self.page.evaluate(kept) == [0, 0, 0]
            assert self.page.evaluate("indexedDB.databases()") == []
        assert self.page.context.cookies() == []


@contextmanager
def visit(browser: Browser, origin: str, **options: Any) -> Iterator[Visit]:
    """Open a browser window of its own; its end is checked if all went well."""
    size = {"width": 1280, "height": 900}
    with browser.new_context(viewport=options.pop("viewport", size), **options) as made:
        found = Visit(made.new_page(), origin)
        yield found
        found.ended_well()
