"""What the worker says to a judging process, each a line of JSON, and the verdict that it gets back."""

from __future__ import annotations

import msgspec


class Columns(msgspec.Struct, frozen=True):
    """What the columns of the rows of a table are (`rules.replaying.backtest.Layout`)."""

    dimensions: tuple[str, ...]
    measures: tuple[str, ...]
    zone: str | None


class Order(msgspec.Struct, frozen=True):
    """Says first what is to be judged: the text of a rule file over tables (database.table) of an account.

    seconds, memory_bytes  what it may use
    most                   how many alerts and sensors are told one by one
    """

    text: str
    account: str
    tables: dict[str, Columns]
    from_ns: int
    seconds: float
    memory_bytes: int
    most: int


class Piece(msgspec.Struct, frozen=True):
    """Says that the rows of a table until `upto_ns` follow, as a stream of Arrow."""

    table: str
    upto_ns: int


class Found(msgspec.Struct, frozen=True):
    """An alert. resolved_ns: None: it still fires at the end. is_measured: its bounds are of the measure itself."""

    rule: str
    table: str
    measure: str
    fired_ns: int
    resolved_ns: int | None
    severity: str | None
    zone: str | None
    dimensions: dict[str, str]
    value: float | None
    bounds: dict[str, float]
    is_measured: bool


class Verdict(msgspec.Struct, frozen=True):
    """What was found.

    upto_ns  what is later was not judged: time was over
    alerts   how many; `found` are the first of them
    rules    how many of each rule
    days     day in UTC, rule, and how many
    sensors  dimensions, rule, and how many, most first
    """

    upto_ns: int
    rows: int
    alerts: int
    rules: dict[str, int]
    days: list[tuple[str, str, int]]
    sensors: list[tuple[str, str, int]]
    found: list[Found]
