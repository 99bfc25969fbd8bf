"""Valid names of tables, dimensions, measures and accounts. Text in, text out, or ValueError.

The rule is Timestream's, so that clients written for it can query every name in a streamgauge.yaml. Source: Timestream
developer guide, "Quotas" and "Naming constraints".
"""

from __future__ import annotations

import re

from store.catalog.names import (
    CONTROL,
    DIMENSION_NAME_MAX_BYTES,
    FORBIDDEN_IN_DIMENSION,
    FORBIDDEN_IN_MEASURE,
    MEASURE_NAME_MAX_BYTES,
    RESERVED,
    RESERVED_PREFIXES,
    is_reserved,
)

_DATABASE_OR_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,256}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")


def split_table_name(name: str) -> tuple[str, str]:
    """The two parts of `database.table`."""
    parts = name.split(".")
    if len(parts) != 2:
        raise ValueError(f'"{name}" is not database.table: a table is named by its database, one dot, and its own name')
    for part in parts:
        if not _DATABASE_OR_TABLE.fullmatch(part):
            raise ValueError(f'"{part}" in "{name}": a database or table has 3-256 of the characters A-Z a-z 0-9 _ -')
    return parts[0], parts[1]


def check_table(name: str) -> str:
    """`name`, if it is database.table."""
    split_table_name(name)
    return name


def check_account(name: str) -> str:
    """`name`, if it is valid for an account: it becomes the name of a folder."""
    if not _ACCOUNT.fullmatch(name):
        raise ValueError(f'"{name}" is not an account name: 1-64 of the characters A-Z a-z 0-9 _ - . (no leading dot)')
    return name


def check_dimension(name: str) -> str:
    """`name`, if it is valid for a dimension."""
    return _check_column("dimension", name, forbidden=FORBIDDEN_IN_DIMENSION, max_bytes=DIMENSION_NAME_MAX_BYTES)


def check_measure(name: str) -> str:
    """`name`, if it is valid for a measure."""
    return _check_column("measure", name, forbidden=FORBIDDEN_IN_MEASURE, max_bytes=MEASURE_NAME_MAX_BYTES)


def _check_column(kind: str, name: str, *, forbidden: str, max_bytes: int) -> str:
    size_bytes = len(name.encode())
    if not 1 <= size_bytes <= max_bytes:
        raise ValueError(f'"{name}" is {size_bytes} bytes long: the name of a {kind} has 1-{max_bytes} bytes')
    found = [character for character in forbidden if character in name]
    if found or CONTROL.search(name):
        bad = " ".join(found) or "a control character"
        raise ValueError(f"{name!r} holds {bad}, which the name of a {kind} may not")
    if is_reserved(name):
        raise ValueError(
            f'"{name}" is reserved: a {kind} is not called {" ".join(sorted(RESERVED))} '
            f"and does not begin with {' or '.join(RESERVED_PREFIXES)}"
        )
    return name
