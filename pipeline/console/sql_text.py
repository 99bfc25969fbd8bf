"""Names and texts as SQL has them."""

from __future__ import annotations


def name_of(name: str) -> str:
    """A column."""
    return '"' + name.replace('"', '""') + '"'


def quoted(table: str) -> str:
    """database.table."""
    database, _, name = table.partition(".")
    return f"{name_of(database)}.{name_of(name)}"


def text_of(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"
