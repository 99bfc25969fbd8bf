"""Words that are not used, as the glossary in docs/development.md has another for the same thing.

In the pages wherever it is a sentence; in the packages in names, comments, docstrings and messages. Names on disk and
in answers stay as they are: they are code spans there, and texts between quotes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from pages import PAGES, ROOT, prose

INSTEAD = {
    r"\bmend(s|ed|ing)?\b": "remedy, repair, correct",
    r"\bwork(s|ed|ing)? off\b": "process",
    r"(?<![\"'/.])\b(the |its |their |whose )?(?<!ath\.)floors?\b(?![\"'(/]|\.json)": "low watermark",
    r"(?<!matplotlib\.)(?<!import )\bfigures?\b": "value, metric, measurement",
    r"\b(is_|on_|_)?overtak(en|es|e)\b": "fenced",
    r"\bkeepers?\b": "owner",
    r"\b(gave|giv(e|es|en|ing)) back (the |its |all )?partitions?\b": "revoke",
    r"\bgone_to\b": "evicted through",
    r"\b(un)?(bent|bends?)\b": "altered",
}
# DuckDB's function, and the bins that are made by it
ARITHMETIC = ("docs/sql.md", "store/sql/", "store/catalog/present.py", "store/reading/bins.py")


def sentences() -> Iterator[tuple[str, str]]:
    """(name, text) of each page, without blocks and code spans."""
    for page in PAGES:
        yield str(page.relative_to(ROOT)), " ".join(re.sub(r"`[^`]*`", "`…`", prose(page)).split())


def sources() -> Iterator[tuple[str, str]]:
    """(name, text) of each module."""
    for package in ("pipeline", "store", "rules", "simulators"):
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")


@cache
def texts() -> tuple[tuple[str, str], ...]:
    return (*sentences(), *sources())


@pytest.mark.parametrize("pattern", INSTEAD, ids=INSTEAD.get)
def test_the_word_of_the_glossary_is_used(pattern: str) -> None:
    found = [
        f"{name}: …{text[max(0, match.start() - 40) : match.end() + 20]}…"
        for name, text in texts()
        for match in re.finditer(pattern, text, re.IGNORECASE)
        if not ("floor" in pattern and name.startswith(ARITHMETIC))
    ]

    assert found == [], f"write: {INSTEAD[pattern]}"
