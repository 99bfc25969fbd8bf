"""The name of the zone a record is in, from its table's zone template: text with `{dimension}` in it. Pure.

The zone is a column of its own for readers, `zone_name`. In RAM it is the series'; in Parquet, where a template makes
it, it is made of the dimensions, so that it is that of the present template everywhere; else it is read as stored. Of
files older than the column, a table without a template has its zones from the levels of MQTT topics, where it has all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from store.catalog.schema import Column
from store.engine.duck import quote_text
from store.values.templates import fill, is_numbered_level, names_in, parse


def zone_of(template: str | None, dimensions: Mapping[str, str]) -> str | None:
    """The name of the zone such a record is in: the template with its dimensions; None where one is missing."""
    if template is None:
        return None
    return fill(template, dimensions) if names_in(template) else dimensions.get(template)


def zone_sql(template: str | None, columns: Iterable[Column], stored: Column) -> str:
    """The zone of a row of Parquet, as SQL over its stored columns."""
    dimensions = {column.name: column.quoted for column in columns if column.kind == "dimension"}
    if template is None:
        levels = [column for name, column in dimensions.items() if is_numbered_level(name)]
        if not levels or len(levels) < len(dimensions):
            return stored.quoted
        topic = f"nullif(concat_ws('/', {', '.join(levels)}), '')"
        return f"COALESCE({stored.quoted}, regexp_replace({topic}, '/[^/]*$', ''))"
    if not names_in(template):
        return dimensions.get(template, "NULL::VARCHAR")
    woven = [
        quote_text(part) if isinstance(part, str) else dimensions.get(part.name, "NULL::VARCHAR")
        for part in parse(template)
    ]
    return f"({' || '.join(woven)})"
