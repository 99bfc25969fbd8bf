"""The measure that each field of a payload becomes: a listed one, one with a safe name, or none.

A field that is not listed becomes a measure with its own name. A name that is invalid for measures is *made safe*:
every `:` and control character becomes `_`; a name of more than 256 bytes is cut, and a checksum of the whole is
appended; one that is reserved, empty, or a dimension of the table gets the prefix `_`. A name that another field of the
same object already has gets one more `_`, so that no field replaces another one of the message.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.stream.normalise.routes import MeasureRule, Route
from store.catalog.names import CONTROL, FORBIDDEN_IN_MEASURE, MEASURE_NAME_MAX_BYTES, is_reserved

MORE = "_more"  # the measure with a JSON object of the fields that have no column of their own
_CHECKSUM_BYTES = 9  # "_" and eight digits


@dataclass(frozen=True, slots=True)
class FieldRule:
    """What the payload field `field` becomes; `rule` None: nothing, because of the table's patterns."""

    field: str
    rule: MeasureRule | None
    is_listed: bool = False
    is_renamed: bool = False  # its name was made safe


def field_rules(names: Sequence[str], route: Route) -> list[FieldRule | None]:
    """The rule of each field of an object with these fields, in their order; None for the time and dimensions."""
    rules = [rule_of(name, route) for name in names]
    renamed = [position for position, found in enumerate(rules) if found is not None and found.is_renamed]
    if renamed:
        taken = {found.rule.name for found in rules if found and found.rule and not found.is_renamed}
        for position in renamed:
            safe = safe_name(names[position], route)
            while safe in taken:
                safe = safe_name("_" + safe, route)
            taken.add(safe)
            rules[position] = FieldRule(names[position], MeasureRule(safe), is_renamed=True)
    return rules


def rule_of(name: str, route: Route) -> FieldRule | None:
    """The rule of a field that shares its measure with no other; None for the time and dimensions."""
    if name in route.dimensions or (route.time is not None and name == route.time.field):
        return None
    if not route.takes(name):
        return FieldRule(name, None)
    rule = route.measures.get(name)
    if rule is not None:
        return FieldRule(name, rule, is_listed=True)
    safe = safe_name(name, route)
    return FieldRule(name, MeasureRule(safe), is_renamed=safe != name)


def safe_name(name: str, route: Route) -> str:
    """The name of the measure of an unlisted field `name`."""
    safe = name if _is_ordinary(name) else _measure_name(name)
    while route.is_dimension(safe) or (safe != name and safe in route.measures):
        safe = _measure_name("_" + safe)
    return safe


def _is_ordinary(name: str) -> bool:
    """Whether a name is a measure name as it is, without a further look: most names are."""
    return (
        name.isascii()
        and name.isidentifier()
        and len(name) < MEASURE_NAME_MAX_BYTES
        and not (name == MORE or is_reserved(name))
    )


@functools.lru_cache(maxsize=8_192)
def _measure_name(name: str) -> str:
    safe = CONTROL.sub("_", name)
    for character in FORBIDDEN_IN_MEASURE:
        safe = safe.replace(character, "_")
    if not safe or is_reserved(safe) or safe == MORE:
        safe = "_" + safe
    if len(safe.encode()) > MEASURE_NAME_MAX_BYTES:
        kept = safe.encode()[: MEASURE_NAME_MAX_BYTES - _CHECKSUM_BYTES].decode(errors="ignore")
        safe = f"{kept}_{zlib.crc32(safe.encode()):08x}"
    return safe
