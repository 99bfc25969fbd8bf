"""Applies the configuration to the columns of a table, where they differ. Pure.

The configuration overrides earlier data: a measure whose rows have another type has the configured type from now on, a
measure that is configured as a dimension becomes one, and the name of a dimension that is no longer configured is free
for a measure. A new unit applies from the first offset that is not applied yet; older rows keep their unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from store.catalog.changes import DIMENSION, MEASURE, ColumnChanges, Eras, Units
from store.catalog.document import TableInfo
from store.catalog.present import is_always, sibling
from store.catalog.schema import Columns
from store.catalog.units import conversion, known_units
from store.errors import RequestError
from store.names import SINGLE_MEASURE_PREFIX, MeasureType

RETYPES = (MeasureType.DOUBLE, MeasureType.BIGINT, MeasureType.BOOLEAN, MeasureType.VARCHAR)


class CannotRetype(RequestError):
    """The measure cannot have that type, or cannot have had that unit; the message contains the reason and a remedy."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The current decisions, and the messages about new ones."""

    changes: ColumnChanges
    told: tuple[str, ...] = ()


def adopt(
    info: TableInfo, columns: Columns, covered: Mapping[str, int], others: tuple[str, ...], now_ns: int
) -> Adopted:
    """The decisions for a table whose rows have `columns`.

    `covered` contains, for each partition of this process, the last offset of which all rows were written under the
    earlier configuration; `others` are the partitions of other workers, which decide for theirs.
    """
    settings, changes = info.settings, info.changes
    if not settings.from_config:
        return Adopted(changes)
    roles, told = dict(changes.roles), []
    for name in settings.dimensions:
        is_measure = columns.has_measure(name) and not _was_both(name, changes, columns)
        if is_measure and roles.get(name) != DIMENSION:
            roles[name] = DIMENSION
            told.append(f"{name!r} was a measure and is a dimension from now on, as configured, in older rows too")
    for name in set(changes.dimensions or ()) - set(settings.dimensions):
        if name in columns.dimensions and roles.get(name, DIMENSION) == DIMENSION:
            roles[name] = MEASURE
            told.append(f"{name!r} is no longer a dimension in the configuration: a measure may have the name")
    for name, kind in settings.types.items():
        found = present_type(name, columns, replace(changes, roles=roles))
        if found is not None and found is not kind:
            roles[name] = kind.value
            told.append(_retyped(name, found, kind, "as configured"))
    units = {**changes.units, **settings.units}
    eras = _eras(changes, units, covered, others)
    new = {name: now_ns for name, role in roles.items() if changes.roles.get(name) != role}
    changed = {name: units[name] for name, unit in changes.units.items() if units[name] != unit}
    since = {**changes.since_ns, **new, **dict.fromkeys(changed, now_ns)}
    told += [_told_of_unit(info, name, changes.units[name], unit) for name, unit in changed.items()]
    decided = replace(changes, roles=roles, since_ns=since, dimensions=settings.dimensions, units=units, eras=eras)
    return Adopted(decided, tuple(told))


def retyped(
    info: TableInfo, columns: Columns, name: str, kind: MeasureType, now_ns: int, why: str | None = None
) -> Adopted:
    """The decisions once the measure `name` has this type; without `why`, as requested. Raises CannotRetype."""
    found = present_type(name, columns, info.changes)
    where = f"{info.table.database}.{info.table.table}"
    if kind not in RETYPES:
        raise CannotRetype(f"a measure cannot be made a {kind.value}; allowed: {' '.join(RETYPES)}")
    if found is None:
        if name in columns.dimensions or name in info.settings.dimensions:
            raise CannotRetype(f"{name!r} is a dimension of {where}, and every dimension is text")
        raise CannotRetype(f"{where} has no measure {name!r}")
    if name.startswith(SINGLE_MEASURE_PREFIX):
        raise CannotRetype(
            f"{name!r} is the column of single measures of type {found.value}: its name determines its type"
        )
    configured = info.settings.types.get(name)
    if configured is not None and configured is not kind:
        raise CannotRetype(
            f"the configuration makes {name!r} of {where} a {configured.value} (by its type or its unit), and would "
            "again at the next start; change it there"
        )
    if MeasureType.TIMESTAMP is found and kind in {MeasureType.DOUBLE, MeasureType.BOOLEAN}:
        raise CannotRetype(f"{name!r} of {where} is a timestamp, which can be made a bigint (nanoseconds) or a varchar")
    changes = info.changes
    if why is None and name not in changes.asked:
        changes = replace(changes, asked=(*changes.asked, name))
    if found is kind:
        return Adopted(changes)
    roles = {**changes.roles, name: kind.value}
    changes = replace(changes, roles=roles, since_ns={**changes.since_ns, name: now_ns})
    return Adopted(changes, (_retyped(name, found, kind, why or "as asked"),))


def reunited(info: TableInfo, name: str, unit: str, now_ns: int) -> Adopted:
    """The decisions once it is known that older values of the measure were in `unit`. Raises CannotRetype."""
    where = f"{info.table.database}.{info.table.table}"
    if unit not in known_units():
        raise CannotRetype(f"{unit!r} is not a unit known here; known: {' '.join(known_units())}")
    earlier = {of_era[name] for eras in info.changes.eras.values() for _, of_era in eras[:-1] if name in of_era}
    if not earlier:
        raise CannotRetype(f"{name!r} of {where} has had one unit only, that of the configuration: change it there")
    eras = {
        partition: (*((begin, {**of_era, name: unit}) for begin, of_era in of_partition[:-1]), of_partition[-1])
        for partition, of_partition in info.changes.eras.items()
    }
    changes = replace(info.changes, eras=eras, since_ns={**info.changes.since_ns, name: now_ns})
    return Adopted(changes, (f"older values of {name!r} were in {unit}, as asked, and not in {', '.join(earlier)}",))


def present_type(name: str, columns: Columns, changes: ColumnChanges) -> MeasureType | None:
    """The type of the measure `name`; None if there is no such measure."""
    role = changes.roles.get(name)
    if role == DIMENSION or (role is None and name in columns.dimensions):
        return None
    decided = changes.type_of(name)
    if decided is not None:
        return decided
    return next((column.type for column in columns.measures.values() if column.name == name), None)


def _eras(
    changes: ColumnChanges, now: Units, covered: Mapping[str, int], others: tuple[str, ...]
) -> Mapping[str, Eras]:
    """The eras, with a new one for each partition of this process whose last units differ from the current ones."""
    eras = dict(changes.eras)
    if any(now[name] != unit for name, unit in changes.units.items()):
        for partition in (*covered, *others):  # other owners add the new eras of their partitions
            eras.setdefault(partition, ((0, changes.units),))
    for partition, offset in covered.items():
        last = eras.get(partition)
        if last is None or all(now[name] == unit for name, unit in last[-1][1].items()):
            continue
        eras[partition] = (*last, (offset + 1, now))
    return eras


def _was_both(name: str, changes: ColumnChanges, columns: Columns) -> bool:
    """Whether it was already a configured dimension: then a measure of its name has another source."""
    return name in (changes.dimensions or ()) and name in columns.dimensions


def _retyped(name: str, found: MeasureType, kind: MeasureType, why: str) -> str:
    text = f"measure {name!r} was {found.value} and is {kind.value} from now on, {why}; older values are read as such"
    return text if is_always(found, kind) else f"{text}, those that are none under {sibling(name, found)!r}"


def _told_of_unit(info: TableInfo, name: str, before: str, now: str) -> str:
    text = f"measure {name!r} was in {before} and is in {now} from now on, as configured"
    try:
        conversion(before, now)
    except (KeyError, ValueError):
        return f"{text}; these cannot be converted: values up to now are read as '{name}_{before}'"
    command = f"streamgauge measures unit {info.table.database}.{info.table.table} {name} {now}"
    return f"{text}; values up to now are converted when they are read; if they were in {now} all along: {command}"
