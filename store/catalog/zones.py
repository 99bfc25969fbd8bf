"""The zone name of a record, from its table's zone template: text that contains `{dimension}`. Pure.

Readers see the zone as a separate column, `zone_name`. In RAM it is stored per series. In Parquet it is computed from
the dimensions if the table has a template, so that all rows have the zone of the present template; otherwise it is read
as stored. For files older than the column, tables without a template compute it from the levels of MQTT topics, if all
dimensions are such levels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from store.catalog.schema import Column
from store.engine.duck import quote_text
from store.values.templates import Place, fill, is_numbered_level, names_in, parse

_ZONE_CHARS_MAX = 2_000
_VALUES_MAX = 100  # of a dimension: with more hardly anything can be left unread


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


def dimensions_of_zones(template: str, zones: Collection[str]) -> dict[str, frozenset[str]]:
    """For each dimension of the template the values that a row of these zones can have; empty if there are too many.

    `a/b/c` of `{greenhouse}/{zone}` can be greenhouse `a` and zone `b/c`, or `a/b` and `c`.
    """
    if not names_in(template):
        return {template: frozenset(zones)}
    if max(map(len, zones), default=0) > _ZONE_CHARS_MAX:
        return {}
    found: dict[str, set[str]] = {name: set() for name in names_in(template)}
    for zone in zones:
        for name, value in _possible_values(parse(template), zone):
            found[name].add(value)
            if len(found[name]) > _VALUES_MAX:
                return {}
    return {name: frozenset(values) for name, values in found.items()}


def _possible_values(parts: Sequence[str | Place], text: str) -> Iterator[tuple[str, str]]:
    """What the placeholders can stand for, if the parts make the text: between where a part can begin and can end."""
    begins = _ends(parts, text)
    ends = [{len(text) - place for place in places} for places in _ends(_mirrored(parts), text[::-1])][::-1]
    for number, part in enumerate(parts):
        if isinstance(part, Place):
            for begin in begins[number]:
                yield from ((part.name, text[begin:end]) for end in ends[number + 1] if end >= begin)


def _ends(parts: Sequence[str | Place], text: str) -> list[Collection[int]]:
    """Where the text before each part, and after the last one, can end."""
    found: list[Collection[int]] = [{0}]
    for part in parts:
        if isinstance(part, str):
            found.append({place + len(part) for place in found[-1] if text.startswith(part, place)})
        else:
            found.append(range(min(found[-1], default=len(text) + 1), len(text) + 1))
    return found


def _mirrored(parts: Sequence[str | Place]) -> list[str | Place]:
    return [part[::-1] if isinstance(part, str) else part for part in reversed(parts)]
