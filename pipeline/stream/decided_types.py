"""Tells the store, durably, what normalise decided about measures that arrived as text (see its `texts`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline.stream.normalise.texts import TypeDecision
from store.errors import RequestError
from store.partition_store import PartitionStore
from store.record import MeasureType, TableId

WHY = "as only one series had sent text for it when a number came"

_log = logging.getLogger(__name__)


def give_up_texts(store: PartitionStore, decisions: Sequence[TypeDecision]) -> None:
    """Give names of measures of text to numbers. Called before the numbers are applied; may block."""
    for table, measure, kind in decisions:
        if kind is not MeasureType.VARCHAR:
            try:
                store.retype(table, measure, kind, WHY)
            except RequestError as error:  # its text was never stored, or its table was deleted meanwhile
                _log.debug("table %s.%s: measure %r: %s", table.database, table.table, measure, error)


def settle_texts(store: PartitionStore, decisions: Sequence[TypeDecision]) -> None:
    """Record that measures stay text. Called after their rows are applied; may block."""
    by_table: dict[TableId, list[str]] = {}
    for table, measure, kind in decisions:
        if kind is MeasureType.VARCHAR:
            by_table.setdefault(table, []).append(measure)
    for table, measures in by_table.items():
        store.settle_texts(table, measures)
