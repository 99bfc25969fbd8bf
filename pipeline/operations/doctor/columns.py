"""Measures whose type, unit or role was changed recently, by a person or by a new configuration.

Reads the catalog next to the tables, so it also works while nothing runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.config import Config
from pipeline.operations.doctor.finding import Finding, ok, warn
from store import layout as store_layout
from store.catalog.changes import DIMENSION, MEASURE, ColumnChanges
from store.catalog.document import Document, TableInfo
from store.catalog.versions import CatalogVersions
from store.errors import StoreError
from store.state_objects import state_to_read
from store.values.times import rfc3339

NAME = "columns"
LATELY_NS = 7 * 86_400 * 10**9
_SHOWN = 5


def check_columns(config: Config) -> Iterator[Finding]:
    """A finding per table with such measures."""
    yield from judge(_tables(config), time.time_ns())


def _tables(config: Config) -> Iterable[TableInfo]:
    """None if there is no catalog, or it cannot be read: another check reports a bucket that does not answer."""
    url = f"{config.magnetic_url.rstrip('/')}/{store_layout.OBJECTS}"
    if "://" not in url and not Path(url).exists():
        return ()
    try:
        data = CatalogVersions(state_to_read(config.magnetic_url)).load()
    except StoreError:
        return ()
    return () if data is None else Document.decode(data, {}).tables.values()


def judge(tables: Iterable[TableInfo], now_ns: int) -> Iterator[Finding]:
    """The changes of the last seven days."""
    found = False
    for info in tables:
        of_table = info.changes.since_ns
        lately = sorted(name for name, since_ns in of_table.items() if now_ns - since_ns < LATELY_NS)
        if not lately:
            continue
        found = True
        told = [f"{name} is {_now(name, info.changes)} since {rfc3339(of_table[name])}" for name in lately[:_SHOWN]]
        more = f", and {len(lately) - _SHOWN} more were changed" if len(lately) > _SHOWN else ""
        remedy = "nothing, if that is right; streamgauge measures list has what older rows are (docs/columns.md)"
        yield warn(NAME, f"{info.table}: {', '.join(told)}{more}", remedy)
    if not found:
        yield ok(NAME, "no type or unit of a measure was changed within 7 days")


def _now(name: str, changes: ColumnChanges) -> str:
    role, unit = changes.roles.get(name), changes.units.get(name)
    kinds = {DIMENSION: "a dimension", MEASURE: "a measure"}
    words = [] if role is None else [kinds.get(role, role)]
    return " ".join(words + ([] if unit is None else [f"in {unit}"])) or "as first seen"
