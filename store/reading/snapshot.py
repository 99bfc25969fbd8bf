"""A snapshot of an account's tables, read in this process; later changes, flushes, compactions do not affect it.

Averages and columns are read this way. SQL of clients runs in query processes, which borrow the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa

from store.catalog.schema import Column
from store.engine.duck import run
from store.errors import QueryFailed
from store.reading.account_tables import AccountTables, memory_of, selection_of, whole_from_ns
from store.reading.by_zone import rows_of_zones, zones_of
from store.reading.changes import Changes, changes
from store.reading.cuts import with_cut_minutes
from store.reading.partials import together
from store.reading.past import AsOf, view_of, with_doubles
from store.reading.pinned import Pinned, Replies
from store.reading.rendering import Rendering, text_of_sound
from store.reading.rolled import Division, all_rows, divide, is_short, roll_up_newest
from store.reading.rolled_up import Groups, rolled_up
from store.reading.scan import Selection, TableView, TailView, only_columns
from store.reading.series import series_of
from store.reading.statistics import MOST_READ, counted
from store.reading.tail import TailReply
from store.record import Int64s, SeriesIndex, TableId

T = TypeVar("T")


class Snapshot(AccountTables):
    """Reads the tables of one account. One thread uses a snapshot; there may be several snapshots at once."""

    @cached_property
    def _rendering(self) -> Rendering:
        return Rendering(self._cursor)

    def source(
        self,
        table: TableId,
        *,
        time_from_ns: int | None = None,
        time_to_ns: int | None = None,
        dimensions: Mapping[str, Collection[str]] | None = None,
        columns: Collection[str] | None = None,
        as_of: AsOf | None = None,
    ) -> str:
        """The text of a parenthesised DuckDB subquery for the rows of `table` with times in [from, to).

        `as_of`: of an earlier version.

        Columns have their physical names; `columns` are those that the query uses, None: any. `dimensions` selects the
        rows whose stored dimension has exactly one of these values; it does not consider a dimension's `expression`.
        The text is valid only for `execute` of this snapshot. Waits for the owners of all partitions. Raises
        UnknownDatabase, UnknownTable, PartitionSilent.
        """
        selection = selection_of(time_from_ns, time_to_ns, dimensions)
        if as_of is not None:
            pinned, version, visible_ns = self._version_at(table, as_of)
            past = view_of(pinned.schema, version, pinned.newest.data, visible_ns)
            return self._rendering.text(with_doubles(self._cursor, self._rendering, past, selection), selection)

        def text_of(view: TableView) -> str:
            if dimensions is None:
                return self._rendering.text(view, selection)
            series = [series_of(view.schema, of, dimensions) for of in view.memory]
            return self._rendering.text(view, replace(selection, series=series))

        return self._text(table, selection, columns, text_of)

    def rows_of_zones(
        self,
        table: TableId,
        index: SeriesIndex,
        series: Sequence[Sequence[int]],
        measures: Sequence[Column],
        *,
        time_from_ns: int,
        time_to_ns: int,
        grain_ns: int | None,
        are_sensors: bool = False,
    ) -> tuple[Division, str]:
        """The rows of zones, of which `series` has the ids in `index`: rollups, and a subquery as of `source`.

        With `are_sensors` it has those of sensors: sets of dimensions.

        The subquery (`by_zone.rows_of_zones`) is for the rows that are not in the rollups; empty if there are certainly
        none. `grain_ns` is the length of slots of the rollups; if it is None, the subquery is for all rows.
        """
        zones = zones_of(self.schema(table.database, table.table), index, series, are_sensors=are_sensors)
        selection = selection_of(time_from_ns, time_to_ns, zones.prunable())
        names = [column.physical for column in measures]
        used = {*names, *(column.physical for column in zones.dimensions)}

        def rows_of(view: TableView, selection: Selection) -> str:
            schema = only_columns(view.schema, used, with_keys=bool(len(view.superseded_ns)))
            return rows_of_zones(replace(view, schema=schema), selection, zones, measures, self._rendering)

        def division_of(view: TableView) -> tuple[Division, str]:
            if grain_ns is not None and is_short(view, selection, grain_ns):
                roll_up_newest(self._cursor, view, selection, names, grain_ns)
                divided = divide(view, selection, zones.by_number, names, grain_ns)
                division = with_cut_minutes(self._cursor, view, divided, measures)
            else:
                division = all_rows(view, selection)
            parts = [rows_of(*of) for of in division.rows]
            return division, " UNION ALL ".join(part for part in parts if part)

        return self._text(table, selection, used, division_of)

    def rolled_up(
        self,
        table: TableId,
        measures: Sequence[Column],
        *,
        grain_ns: int,
        time_from_ns: int | None,
        time_to_ns: int | None,
        dimensions: Mapping[str, Collection[str]],
        by: Sequence[str],
    ) -> str | None:
        """The sums of groups of series by slots of this length, as the name of a table for `execute`.

        None if rows would have to be read.
        `by` are the dimensions that make groups; `layout.ZONE` is the zone, here and in `dimensions`. See
        `store.reading.rolled_up`; raises what `source` raises.
        """
        if not self.is_alone():
            return None
        groups, selection = Groups(dimensions, by), selection_of(time_from_ns, time_to_ns, None)
        used = {column.physical for column in measures}
        found = self._text(
            table, selection, used, lambda view: rolled_up(self._cursor, view, selection, groups, measures, grain_ns)
        )
        return None if found is None else self._rendering.register("sums", found)

    def counted(
        self,
        table: TableId,
        measures: Sequence[Column],
        *,
        time_from_ns: int | None,
        time_to_ns: int | None,
        times: Collection[str],
    ) -> str | None:
        """The text for partial aggregates of these rows, without totals; None if many would have to be read.

        `times`: which of FIRST and LAST are asked for. See `store.reading.statistics`; raises what `source` raises.
        """
        if not self.is_alone():
            return None
        selection = selection_of(time_from_ns, time_to_ns, None)

        def text_of(view: TableView) -> str | None:
            if measures and not view.data.is_near:  # a query process reads footers of buckets
                return None
            found = counted(view, selection, measures)
            return None if found.most_read > MOST_READ else together(found.texts(self._rendering, times))

        return self._text(table, selection, {measure.physical for measure in measures}, text_of)

    def changes(self, table: TableId, since: int, width_ns: int) -> Changes:
        """In which slots of this width the table has changed after version `since`; -1: before the first.

        Raises UnknownDatabase, UnknownTable, MagneticTierError, QueryFailed.
        """
        return changes(self._cursor, self._pinned.table(table).newest, since, width_ns)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """The result of a DuckDB query over sources of this snapshot. Raises what `store.engine.duck.run` raises.

        Raises UnknownTable, too, since another worker may delete a table while it is read.
        """
        try:
            return run(self._cursor, sql, parameters)
        except QueryFailed:
            self.look_for_deleted()
            raise

    def _text(
        self,
        table: TableId,
        selection: Selection,
        columns: Collection[str] | None,
        text_of: Callable[[TableView], T],
    ) -> T:
        return text_of_sound(
            lambda: self._view(*self._ask(table, selection, columns)),
            text_of,
            lambda path: self.drop_damaged(table.database, table.table, path),
        )

    def _view(self, pinned: Pinned, replies: Replies, superseded_ns: Int64s) -> TableView:
        """The version, together with the rows in RAM of this and other processes."""
        version, memory = pinned.newest.version, memory_of(replies)
        tails = tuple(
            TailView(
                self._rendering.register("tail", reply.rows),
                frozenset(reply.rows.column_names),
                pinned.to_sequence[reply.partition],
            )
            for reply in replies
            if isinstance(reply, TailReply) and reply.rows.num_rows
        )
        return TableView(
            pinned.schema,
            memory,
            whole_from_ns(replies),
            version,
            pinned.newest.data,
            superseded_ns,
            self._visible_from_ns(pinned.info, version, memory),
            tails,
        )
