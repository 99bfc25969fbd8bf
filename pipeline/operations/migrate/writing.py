"""Writes what was translated: a streamgauge.yaml, rule files, requests. Everything is checked as its user would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.operations.migrate.finding import Translation
from store.values.yaml_text import inline


def texts_of(translation: Translation) -> Iterator[tuple[str, str]]:
    """The files, by name."""
    if translation.tables or translation.rules:
        yield "streamgauge.yaml", _configuration(translation)
    for name, groups in translation.rules.items():
        yield name, "groups:\n" + "".join(_entry(group, 2) for group in groups)
    for name, (_, request) in translation.requests.items():
        yield name, json.dumps(request, indent=2, ensure_ascii=False) + "\n"


def write(translation: Translation, folder: Path) -> list[Path]:
    """Write the files into a folder, and return them. Raises OSError, also if one of them exists already."""
    written = []
    for name, text in texts_of(translation):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return written


def _configuration(translation: Translation) -> str:
    tables = "".join(_entry(table, 2) for table in translation.tables.values())
    rules = 'rules: ["rules/*.yaml"]\n' if translation.rules else ""
    return (f"tables:\n{tables}" if tables else "") + rules


def _entry(entry: dict[str, Any], indent: int) -> str:
    """An entry of a list: a line for each key; what is in it stands on the line, except lists of mappings."""
    lines = []
    for key, value in entry.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{key}:\n" + "".join(_entry(inner, indent + 4) for inner in value).rstrip("\n"))
        else:
            lines.append(f"{key}: {inline(value)}")
    pad = " " * indent
    return "".join(f"{pad}{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines))
