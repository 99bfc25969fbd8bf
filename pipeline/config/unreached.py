"""Tables that no message can reach, because a table before them takes all of their topics.

Such a table is refused if it says how payloads are read, because then it is meant for messages. Any other may be meant
for WriteRecords, for which only a configured table can set zone, units and retention: it causes a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.config.tables import Table
from pipeline.config.templates import takes_all_of
from store.values.yaml_text import Problem

_OF_PAYLOADS = ("time", "each", "arrays", "ignore", "only")


def unreached_problems(tables: Sequence[Table]) -> list[Problem]:
    """The tables that are certainly a mistake."""
    found = []
    for number, table, first in _unreached(tables):
        if _is_for_messages(table):
            message = f'"{table.topics}" never gets a message: {_reason(first)}; list the narrower one first'
            found.append(Problem(("tables", number, "topics"), message))
    return found


def unreached_warnings(tables: Sequence[Table]) -> list[str]:
    """The tables that may be meant for WriteRecords."""
    return [
        f"{table.name} gets rows by WriteRecords alone: of its topics, {table.topics}, no message comes to it, as "
        f"{_reason(first)}; if it is for messages, list it before that one"
        for _, table, first in _unreached(tables)
        if not _is_for_messages(table)
    ]


def _unreached(tables: Sequence[Table]) -> Iterator[tuple[int, Table, Table]]:
    for number, table in enumerate(tables):
        first = next((other for other in tables[:number] if takes_all_of(other.topics, table.topics)), None)
        if first is not None:
            yield number, table, first


def _is_for_messages(table: Table) -> bool:
    renames = any(measure.name is not None for measure in table.measures.values())
    return renames or not table.model_fields_set.isdisjoint(_OF_PAYLOADS)


def _reason(first: Table) -> str:
    return f'"{first.topics}" of {first.name} comes before it and matches all of its topics'
