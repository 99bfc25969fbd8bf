"""Words that these pages do not use, because the glossary in docs/development.md has another for the same thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import PAGES, prose

INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "repair, correct, remedy",
    r"\bwork(s|ed|ing)? off\b": "process",
    r"\bfloors\b|\b(the|its|their|whose) floor\b": "low watermark",
    r"\bfigures?\b": "value, metric, measurement",
    r"\bovertak(e|en|es)\b": "fenced",
    r"\b(gave|given?|gives|giving) (it |them |partitions )?back\b": "revoked, returned",
    r"\bin so far\b|\bso to say\b": "(leave it out)",
}


def sentences(page: Path) -> str:
    """A page without blocks and code spans: names on disk and in answers stay as they are."""
    return " ".join(re.sub(r"`[^`]*`", "`…`", prose(page)).split())


@pytest.mark.parametrize("pattern", INSTEAD, ids=lambda pattern: INSTEAD[pattern].split(",")[0])
def test_a_page_uses_the_word_of_the_glossary(pattern: str) -> None:
    found = [
        f"{page.name}: …{text[max(0, match.start() - 40) : match.end() + 20]}…"
        for page in PAGES
        for text in [sentences(page)]
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]

    assert found == [], f"write: {INSTEAD[pattern]}"
