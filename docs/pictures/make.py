"""Makes the pictures of these pages: runs the demo, and looks at its console with Chromium.

.venv/bin/python docs/pictures/make.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
SECONDS = 400
UNTIL_S = 150  # after the first alert: so that there is something to be drawn
COLOURS = 128  # of a picture: half as many bytes as with all
RULE = """groups:
  - name: climate
    table: agriculture.readings
    rules:
      - alert: TooHot
        measure: temperature
        range: {max: 32}
"""
PICTURES = {  # the file: the path of the page, the size of the window, light or dark
    "overview.png": ("/", (1200, 640), "light"),
    "overview-phone.png": ("/", (390, 700), "dark"),
    "zone.png": ("/zone?table=agriculture.readings&zone=gh-01/south&span=15m", (1200, 760), "light"),
    "query.png": ("/query", (1200, 760), "dark"),
    "rules.png": ("/rules", (1200, 900), "light"),
}


def main() -> None:
    """Take each of PICTURES once the demo has had its alert."""
    command = [sys.executable, "-m", "pipeline.operations.demo", "--seconds", str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parents[1]) as demo:
        assert demo.stdout is not None
        url = ""
        for line in demo.stdout:
            url = next(iter(re.findall(r"To be seen in a browser: (\S+)", line)), url)
            if "WEBHOOK" in line:
                break
        time.sleep(UNTIL_S)
        take(url)
        demo.terminate()


def take(url: str) -> None:
    """The pictures of the console at `url`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, (path, (width, height), scheme) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(url + path)
            prepare(page, path)
            page.screenshot(path=FOLDER / name)
            with Image.open(FOLDER / name) as taken:
                taken.convert("RGB").quantize(COLOURS).save(FOLDER / name, optimize=True)
            page.close()
        browser.close()


def prepare(page: Page, path: str) -> None:
    """What a visitor does before the page is worth a picture."""
    if path == "/":
        page.wait_for_timeout(10_000)  # a rate needs two looks
    if path == "/query":
        page.get_by_role("button", name="Run").click()
        page.locator("#rows").wait_for()
    if path == "/rules":
        page.get_by_label("A rule file").fill(RULE)
        page.get_by_role("button", name="Preview").click()
        page.locator("#previewed figure.chart canvas").wait_for()
        page.locator("#editor").scroll_into_view_if_needed()
        page.evaluate("document.querySelector('h2').scrollIntoView()")
    if path.startswith("/zone"):
        page.locator("figure.chart canvas").first.wait_for()


if __name__ == "__main__":
    main()
