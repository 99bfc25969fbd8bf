"""Processes the messages of one call for one table: as columns if they are proven to be good, otherwise one by one.

The first good message with a measure, in log order, decides its type; text is decided by the first two series
(`pipeline.stream.normalise.texts`). So a group whose measures all have their types becomes columns at once. A group
with an undecided measure waits, and its messages are read one by one, in order with all other single ones, until it is
decided. A small group costs less one by one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from pipeline.base.errors import PayloadError
from pipeline.log.dead_letter import Reason
from pipeline.stream.normalise.alterations import Alteration, Alterations
from pipeline.stream.normalise.body import has_repeats
from pipeline.stream.normalise.call import Call
from pipeline.stream.normalise.columns import all_null, beyond_limits, measure_column, time_column
from pipeline.stream.normalise.measuring import text_column
from pipeline.stream.normalise.plan import Group, Plan
from pipeline.stream.normalise.quick import has_object, read_quickly
from pipeline.stream.normalise.reading import Message, Reading, dimension_value, read
from pipeline.stream.normalise.rows import Piece, SingleRows
from pipeline.stream.normalise.source import UNKNOWN, Source, TableState
from pipeline.stream.normalise.values import is_word
from store.record import Int64s, MeasureType

Single: TypeAlias = tuple[int, Source]
"""A message to be read by itself: its row number and its source."""

# With fewer messages, the columns of a group cost more than `read_quickly`: measured with 1 to 4 measures.
SMALL_GROUP = 8

_NO_GROUP = -1


@dataclass(slots=True)
class _Waiting:
    """Groups with undecided measures, by the number of their plan: found by measure, however many groups there are."""

    groups: dict[int, tuple[Plan, Group]] = field(default_factory=dict)
    _lacking: dict[int, set[str]] = field(default_factory=dict)
    _by_measure: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: int, plan: Plan, group: Group, undecided: set[str]) -> None:
        """Wait until all of these measures are decided."""
        self.groups[number] = plan, group
        self._lacking[number] = undecided
        for name in undecided:
            self._by_measure.setdefault(name, []).append(number)

    def settled(self, decided: Iterable[str]) -> list[tuple[Plan, Group]]:
        """The groups that need not wait any more, now that these measures are decided."""
        found = []
        for name in decided:
            for number in self._by_measure.pop(name, ()):
                self._lacking[number].discard(name)
                if not self._lacking[number]:
                    found.append(number)
        return [self.groups.pop(number) for number in sorted(found)]


@dataclass(slots=True)
class TableWork:
    """The messages of one table in one call."""

    table: TableState
    call: Call
    plans: list[Plan] = field(default_factory=list)
    singles: list[Single] = field(default_factory=list)
    refused: list[tuple[int, PayloadError]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    alterations: Alterations = field(default_factory=Alterations)
    _rows: SingleRows = field(default_factory=SingleRows)

    def run(self) -> None:
        """Turn all collected messages into `pieces` and `refused`."""
        waiting = _Waiting()
        for number, plan in enumerate(self.plans):
            group = plan.take()
            if not plan.is_fast or len(group.rows) < SMALL_GROUP:
                self.singles += zip(group.rows, group.sources, strict=True)
            elif undecided := self._undecided(plan, group):
                waiting.add(number, plan, group, undecided)
                plan.is_nested |= has_object(group.flat)
            else:
                self.singles += self._columns(plan, group)
        if waiting.groups:
            self._read_in_order(waiting)
        else:
            for row, source in sorted(self.singles, key=lambda single: single[0]):
                self._read(row, source)
        if self._rows.rows:
            self.pieces.append(self._rows.piece(self.table.types))

    def refuse(self, error: PayloadError) -> None:
        """Refuse all collected messages."""
        rows = [row for row, _ in self.singles] + [row for plan in self.plans for row in plan.take().rows]
        self.refused += [(row, error) for row in rows]

    def _read_in_order(self, waiting: _Waiting) -> None:
        heap = [(row, _NO_GROUP, source) for row, source in self.singles]
        for number, (_, group) in waiting.groups.items():
            heap += [(row, number, source) for row, source in zip(group.rows, group.sources, strict=True)]
        heapq.heapify(heap)
        while heap:
            row, number, source = heapq.heappop(heap)
            if number != _NO_GROUP and number not in waiting.groups:
                continue  # its group became columns meanwhile
            changed = self._read(row, source)
            for plan, group in waiting.settled([name for name in changed if self._is_decided(name)]):
                rest = group.only([i for i, later in enumerate(group.rows) if later > row], plan.width)
                for suspect, its_source in self._columns(plan, rest):
                    heapq.heappush(heap, (suspect, _NO_GROUP, its_source))

    def _read(self, row: int, source: Source) -> Iterable[str]:
        """Add the readings of one message; returns the measures that it may have decided."""
        payload, arrival_ns = self.call.payloads[row], int(self.call.arrivals[row])
        quick = read_quickly(payload, arrival_ns, source)
        if quick is None:
            return self._read_plainly(row, source, payload, arrival_ns)
        reading = quick.reading
        try:
            series_id = source.series(reading.dimension_values)
        except PayloadError as error:
            self.refused.append((row, error))
            return ()
        for altered in quick.altered:
            self.alterations[altered] += 1
        self._add(row, series_id, reading)
        return ()

    def _add(self, row: int, series_id: int, reading: Reading) -> list[str]:
        """Add a row; returns the open measures for which it has text."""
        self._rows.add(row, series_id, reading.time_ns, reading.measures)
        texts = self.table.texts
        found = [name for name in reading.measures.keys() & texts.open.keys() if is_word(reading.measures[name])]
        for name in found:
            texts.sent(name, series_id)
        return found

    def _read_plainly(self, row: int, source: Source, payload: bytes, arrival_ns: int) -> Iterable[str]:
        table = self.table
        room = table.room_for(source)
        try:
            message = self._message(payload, arrival_ns, room)
            found, problem = self._found(message, source)
        except PayloadError as error:
            self.refused.append((row, error))
            return ()
        if problem is not None:
            self.refused.append((row, problem))
        table.types.update(message.new_types)
        if message.claimed:
            source.allowance = (source.allowance or 0) - message.claimed
        self.alterations.update(message.alterations)
        table.texts.begin(name for name, kind in message.new_types.items() if kind is MeasureType.VARCHAR)
        changed = {**message.new_types, **message.given_up}
        for series_id, reading in found:
            changed.update(dict.fromkeys(self._add(row, series_id, reading), MeasureType.VARCHAR))
        for name, kind in message.given_up.items():
            self._give_up(name, kind)
        return changed

    def _message(self, payload: bytes, arrival_ns: int, room: int) -> Message:
        """What the payload says. Raises PayloadError, also for a fault of ours: it must cost one message, not all."""
        table = self.table
        try:
            return read(payload, table.route, arrival_ns, table.types, room, table.texts.open, table.asked)
        except PayloadError:
            raise
        except Exception as error:
            detail = f"an error of this program, {error!r}: after an upgrade that corrects it, replay the message"
            raise PayloadError(Reason.FAILED, detail) from error

    def _found(self, message: Message, source: Source) -> tuple[list[tuple[int, Reading]], PayloadError | None]:
        """The readings with the ids of their series, and the first problem. Raises it if nothing can be kept."""
        found, problem = [], message.problem
        for reading in message.readings:
            try:
                found.append((source.series(reading.dimension_values), reading))
            except PayloadError as error:
                problem = problem or error
        if problem is not None and not found:
            raise problem
        return found, problem

    def _give_up(self, name: str, kind: MeasureType) -> None:
        """A number gets the name of a measure of text: the texts of this call are stored under another name too."""
        table, column = self.table, text_column(name, self.table.route)
        table.types[name] = kind
        table.texts.give_up(name, kind)
        for measures in self._rows.measures:
            if type(measures.get(name)) is str:
                table.types.setdefault(column, MeasureType.VARCHAR)
                text = measures.pop(name)
                if column in measures:
                    self.alterations[name, Alteration.NOT_STORED] += 1
                else:
                    measures[column] = text

    def _type_of(self, name: str, configured: MeasureType | None) -> MeasureType | None:
        return self.table.types.get(name) or configured

    def _is_decided(self, name: str) -> bool:
        return name in self.table.types and name not in self.table.texts.open

    def _undecided(self, plan: Plan, group: Group) -> set[str]:
        """The measures of this group whose types are not decided; those without any value do not matter."""
        open_texts = self.table.texts.open
        return {
            measure.rule.name
            for measure in plan.measures
            if (self._type_of(measure.rule.name, measure.rule.type) is None or measure.rule.name in open_texts)
            and any(value is not None for value in group.flat[measure.position :: plan.width])
        }

    def _columns(self, plan: Plan, group: Group) -> list[Single]:
        """Make a piece of the good messages of this settled group; returns the others."""
        suspects: list[Single] = []
        while group.rows:
            bad = self._try_columns(plan, group)
            if not bad:
                break
            is_bad = set(bad)
            suspects += [(group.rows[i], group.sources[i]) for i in bad]
            width = plan.width
            plan.is_nested |= any(has_object(group.flat[i * width : (i + 1) * width]) for i in bad)
            group = group.only([i for i in range(len(group.rows)) if i not in is_bad], width)
        return suspects

    def _try_columns(self, plan: Plan, group: Group) -> list[int]:
        """The suspects; if there are none, the group has become a piece."""
        measures: dict[str, pa.Array] = {}
        types: dict[str, MeasureType] = {}
        if nested := _objects_at(plan.ignored, plan.width, group):
            return nested
        has_nulls = False
        for measure in plan.measures:
            rule = measure.rule
            measure_type = self._type_of(rule.name, rule.type)
            if measure_type is None:
                has_nulls = True
                continue  # settled, so it is null in all of them
            column, suspects = measure_column(group.flat[measure.position :: plan.width], measure_type, rule.convert)
            if column is None:
                return suspects or list(range(len(group.rows)))
            has_nulls |= column.null_count > 0
            if column.null_count < len(column):
                measures[rule.name], types[rule.name] = column, measure_type
        if not measures:
            return list(range(len(group.rows)))
        if empty := all_null(list(measures.values())):
            return empty
        if (has_nulls or plan.dimensions) and not plan.is_flat and (repeated := self._repeated(plan, group)):
            return repeated
        rows = np.array(group.rows, np.int64)
        time_ns, late = self._times(plan, group, rows)
        if time_ns is None:
            return late
        series, unnamed = self._series(plan, group)
        if series is None:
            return unnamed
        self.table.types.update(types)
        self.pieces.append(Piece(rows, series, time_ns, measures))
        self._count(plan, group)
        return []

    def _count(self, plan: Plan, group: Group) -> None:
        """Count alterations of columns: names that were made safe, and fields that the patterns ignore."""
        altered = [(measure.position, Alteration.RENAMED) for measure in plan.measures if measure.is_renamed]
        for position, alteration in (*altered, *((position, Alteration.IGNORED) for position in plan.ignored)):
            values = group.flat[position :: plan.width]
            if count := len(values) - values.count(None):
                self.alterations[plan.shape[position], alteration] += count

    def _repeated(self, plan: Plan, group: Group) -> list[int]:
        """The messages with a null that may hide a value, because the same key may occur twice."""
        width, payloads = plan.width, self.call.payloads
        return [
            i
            for i, row in enumerate(group.rows)
            if None in group.flat[i * width : (i + 1) * width] and has_repeats(payloads[row], width)
        ]

    def _times(self, plan: Plan, group: Group, rows: Int64s) -> tuple[Int64s | None, list[int]]:
        arrivals = self.call.arrivals[rows]
        time = self.table.route.time
        if time is None or plan.time is None:
            return arrivals, []
        payloads = self.call.payloads
        time_ns, suspects = time_column(
            group.flat[plan.time :: plan.width], time, arrivals, (payloads[row] for row in group.rows)
        )
        if time_ns is not None:
            suspects = beyond_limits(time_ns, arrivals, self.table.route)
        return (None, suspects) if suspects else (time_ns, [])

    def _series(self, plan: Plan, group: Group) -> tuple[Int64s | None, list[int]]:
        """The series ids, or suspects. Called last, because it creates new series."""
        if plan.dimensions:
            return self._series_by_payload(plan, group)
        ids = [source.only for source in group.sources]
        suspects = []
        for i, source in enumerate(group.sources) if UNKNOWN in ids else ():
            try:
                ids[i] = source.series(())
            except PayloadError:
                suspects.append(i)
        return (None, suspects) if suspects else (np.array(ids, np.int64), [])

    def _series_by_payload(self, plan: Plan, group: Group) -> tuple[Int64s | None, list[int]]:
        ids: list[int] = []
        suspects = _objects_at(tuple(at for at in plan.dimensions if at is not None), plan.width, group)
        if suspects:
            return None, suspects
        for i, source in enumerate(group.sources):
            start = i * plan.width
            try:
                values = tuple(
                    None if position is None else dimension_value(group.flat[start + position])
                    for position in plan.dimensions
                )
                ids.append(source.series(values))
            except PayloadError:
                suspects.append(i)
        return (None, suspects) if suspects else (np.array(ids, np.int64), [])


def _objects_at(positions: tuple[int, ...], width: int, group: Group) -> list[int]:
    """The messages with an object or an array at one of these positions."""
    found = {
        i
        for position in positions
        for i, value in enumerate(group.flat[position::width])
        if type(value) in (dict, list)
    }
    return sorted(found)
