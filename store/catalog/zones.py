"""The zone name of a record, from its table's zone template: text that contains `{dimension}`. Pure.

Readers see the zone as a separate column, `zone_name`. In RAM it is stored per series. In Parquet it is computed from
the dimensions if the table has a template, so that all rows have the zone of the present template; otherwise it is read
as stored. For files older than the column, tables without a template compute it from the levels of MQTT topics, if all
dimensions are such levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from store.catalog.schema import Column
from store.engine.duck import quote_text
from store.values.templates import fill, is_numbered_level, names_in, parse


def zone_of(template: str | None, dimensions: Mapping[str, str]) -> str | None:
    """The zone name of such a record: the template filled with its dimensions; None if one is missing."""
    if template is None:
        return None
    return fill(template, dimensions) if names_in(template) else dimensions.get(template)


def zone_sql(template: str | None, columns: Iterable[Column], stored: Column) -> str:
    """The zone of a Parquet row, as SQL over its stored columns."""
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
