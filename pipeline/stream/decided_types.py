"""Tells the store, durably, what normalise decided about measures that arrived as text (see its `texts`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.stream.normalise.texts import TypeDecision
from store.errors import RequestError
from store.record import MeasureType, TableId
from store.store import Store
from store.table.column_work import retype

WHY = "as only one series had sent text for it when a number came"

_log = logging.getLogger(__name__)


def give_up_texts(store: Store, decisions: Sequence[TypeDecision]) -> None:
    """Give names of measures of text to numbers. Called before the numbers are applied; may block."""
    for table, measure, kind in decisions:
        if kind is not MeasureType.VARCHAR:
            try:
                retype(store, table, measure, kind, WHY)
            except RequestError as error:  # its text was never stored, or its table was deleted meanwhile
                _log.debug("table %s.%s: measure %r: %s", table.database, table.table, measure, error)
    store.take_in_changes()


def settle_texts(store: Store, decisions: Sequence[TypeDecision]) -> None:
    """Record that measures stay text. Called after their rows are applied; may block."""
    by_table: dict[TableId, list[str]] = {}
    for table, measure, kind in decisions:
        if kind is MeasureType.VARCHAR:
            by_table.setdefault(table, []).append(measure)
    for table, measures in by_table.items():
        store.settle_texts(table, measures)
