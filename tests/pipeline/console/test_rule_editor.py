"""The editor of rules: what is wrong as one types, the words that complete, and what a file would have raised."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pipeline.api.http.backtests import running
from pipeline.stream.partitions.owned import OwnedPartitions
from pipeline.stream.rule_book import RuleBook
from rules import RuleSet
from tests.support.console_pages import ConsolePages, text_of

NS = 1_000_000_000
RULES = """groups:
  - name: climate
    table: farm.climate
    rules:
      - {alert: TooHot, measure: temperature, range: {max: 32}}
"""


@pytest.fixture
async def editor(console: ConsolePages) -> ConsolePages:
    """With a sensor of which every 20th reading of an hour is too hot."""
    app = console.service.app
    book = RuleBook(RuleSet(), OwnedPartitions([]), lambda _: {"farm.climate"})
    app.state.services = replace(app.state.services, rules=book, rule_files=lambda _: [("climate.yaml", RULES)])
    now_ns = console.service.clock()
    readings = [
        {"ts": now_ns - minute * 60 * NS, "temperature": 20.0 if minute % 20 else 33.0} for minute in range(59, 0, -1)
    ]
    await console.service.publish("greenhouse/eu/gh-1/north/s-1", *readings)
    return console


async def test_the_text_to_begin_with_is_about_a_measure_that_there_is_and_words_complete(editor: ConsolePages) -> None:
    page = (await editor.browser.get("/rules")).text
    (words,) = re.findall(r'<script type="application/json" id="words">(.*?)</script>', page, re.DOTALL)
    texts = {word["text"]: word["about"] for word in json.loads(words)}

    assert "table: farm.climate\n" in page
    assert "measure: temperature\n" in page
    assert texts["measure: "].startswith("which measure of the table")
    assert texts["farm.climate"] == "table"
    assert texts["temperature"] == "measure, celsius"


async def test_a_copy_of_a_file_in_force_is_edited(editor: ConsolePages) -> None:
    page = await editor.browser.get("/rules?file=climate.yaml")

    (text,) = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert text == RULES
    assert "no rule file in force is named none.yaml" in await editor.text("/rules?file=none.yaml", 404)


async def test_a_problem_is_at_its_line_and_a_fine_text_says_so(editor: ConsolePages) -> None:
    wrong = await editor.browser.post("/rules/check", data={"text": RULES.replace("max", "mix").replace("\n", "\r\n")})
    fine = await editor.browser.post("/rules/check", data={"text": RULES})

    assert 'data-line="5"' in wrong.text
    assert "mix" in text_of(wrong)
    assert "1 rule: fine" in text_of(fine)
    assert "problem" not in fine.text


@pytest.mark.processes
async def test_a_preview_counts_the_alerts_and_draws_the_one_with_most(editor: ConsolePages) -> None:
    """It starts a judging process."""
    shown = await editor.browser.post("/rules/preview", data={"text": RULES, "from": "6h"})
    (drawn,) = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', shown.text)]

    assert "2 alerts" in text_of(shown)
    assert "2026-11-23 climate/TooHot 2" in text_of(shown)
    assert [mark["to"] - mark["from"] for mark in drawn["marks"]] == [60.0, 60.0]
    assert drawn["bounds"] == {"max 32.0": 32.0}
    assert max(drawn["lines"][2]["values"]) == 33.0


@pytest.mark.processes
async def test_a_picture_ends_where_the_alerts_of_the_answer_do(
    editor: ConsolePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later one is counted only: a picture of its time without it would be wrong."""
    monkeypatch.setattr(running, "MOST", 1)

    shown = await editor.browser.post("/rules/preview", data={"text": RULES, "from": "6h"})
    (drawn,) = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', shown.text)]

    assert "2 alerts" in text_of(shown)
    assert "later alerts are only counted" in text_of(shown)
    assert drawn["range"][1] == drawn["marks"][0]["from"]
    assert max(drawn["lines"][2]["values"]) == 20.0


async def test_a_preview_of_a_wrong_text_says_what_is_wrong(editor: ConsolePages) -> None:
    wrong = await editor.browser.post("/rules/preview", data={"text": RULES.replace("range", "rnge"), "from": "1d"})
    soon = await editor.browser.post("/rules/preview", data={"text": RULES, "from": "soon"})

    assert 'data-line="5"' in wrong.text
    assert "from=soon is not possible" in text_of(soon)


async def test_the_text_is_downloaded_as_it_is(editor: ConsolePages) -> None:
    file = await editor.browser.post("/rules/download", data={"text": RULES.replace("\n", "\r\n")})

    assert file.text == RULES
    assert file.headers["content-disposition"] == 'attachment; filename="rules.yaml"'
