"""Names and texts as SQL has them: of the store's clients, and of DuckDB."""

from __future__ import annotations


def quote_name(name: str) -> str:
    """`name` as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_table(table: str) -> str:
    """`table`, which is database.table, as identifiers."""
    database, _, name = table.partition(".")
    return f"{quote_name(database)}.{quote_name(name)}"


def quote_string(text: str) -> str:
    """`text` as a string constant."""
    return "'" + text.replace("'", "''") + "'"
