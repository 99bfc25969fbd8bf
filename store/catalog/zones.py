"""The name of the zone a record is in, from its table's zone template: text with `{dimension}` in it. Pure.

The zone is a column of its own for readers, `zone_name`. In RAM it is the series'; in Parquet, where a template makes
it, it is made of the dimensions, so that it is that of the present template everywhere; else it is read as stored. Of
files older than the column, a table without a template has its zones from the levels of MQTT topics, where it has all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from store.catalog.schema import Column
from store.engine.duck import quote_text

_PLACE = re.compile(r"\{([^{}]*)\}")
_LEVEL = re.compile(r"topic_[0-9]+")  # a dimension of a table that the configuration says nothing of


def zone_of(template: str | None, dimensions: Mapping[str, str]) -> str | None:
    """The name of the zone such a record is in: the template with its dimensions; None where one is missing."""
    if template is None:
        return None
    if _PLACE.search(template) is None:
        return dimensions.get(template)
    if any(place[1] not in dimensions for place in _PLACE.finditer(template)):
        return None
    return _PLACE.sub(lambda place: dimensions[place[1]], template)


def zone_sql(template: str | None, columns: Iterable[Column], stored: Column) -> str:
    """The zone of a row of Parquet, as SQL over its stored columns."""
    dimensions = {column.name: column.quoted for column in columns if column.kind == "dimension"}
    if template is None:
        levels = [column for name, column in dimensions.items() if _LEVEL.fullmatch(name)]
        if not levels or len(levels) < len(dimensions):
            return stored.quoted
        topic = f"nullif(concat_ws('/', {', '.join(levels)}), '')"
        return f"COALESCE({stored.quoted}, regexp_replace({topic}, '/[^/]*$', ''))"
    if _PLACE.search(template) is None:
        return dimensions.get(template, "NULL::VARCHAR")
    parts = _PLACE.split(template)  # texts, and between them names
    texts = [quote_text(part) for part in parts[::2]]
    values = [dimensions.get(name, "NULL::VARCHAR") for name in parts[1::2]]
    woven = [part for pair in zip(texts, [*values, ""], strict=True) for part in pair if part not in {"''", ""}]
    return f"({' || '.join(woven)})"
