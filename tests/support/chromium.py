"""Debian's Chromium, driven by Playwright: pages as visitors see them, and what the browser complained of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
SERIOUS = {"serious", "critical"}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of the system, without a window."""
    program = shutil.which("chromium")
    assert program is not None, "there is no chromium; tests/install_packages installs it"
    with sync_playwright() as playwright:
        # no sandbox, as root has none; what it shows is ours
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """A tab of one visitor, at a console. What the browser reports as an error is in `complaints`."""

    def __init__(self, browser: Browser, url: str, size: dict[str, int] | None = None, **options: Any) -> None:
        """`options`: of Playwright's new_context, such as color_scheme."""
        self.complaints: list[str] = []
        self.url = url
        viewport: Any = size or DESK
        self.context: BrowserContext = browser.new_context(viewport=viewport, timezone_id="Europe/Berlin", **options)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.url + path)
        return self.page

    def barriers(self) -> list[str]:
        """What axe-core finds on the page that keeps people from using it. It looks from outside of the page's CSP."""
        session = self.context.new_cdp_session(self.page)
        expression = (
            f"{AXE.read_text()}; axe.run({{resultTypes: ['violations']}}).then(r => JSON.stringify(r.violations))"
        )
        answer = session.send("Runtime.evaluate", {"expression": expression, "awaitPromise": True})
        session.detach()
        found = json.loads(answer["result"]["value"])
        return [
            f"{violation['id']}: {node['html'][:200]}"
            for violation in found
            if violation["impact"] in SERIOUS
            for node in violation["nodes"]
        ]

    def is_wider_than_the_screen(self) -> bool:
        """Whether the page has to be moved sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def close(self) -> None:
        """Close the tab and forget the visitor's cookies."""
        self.context.close()
