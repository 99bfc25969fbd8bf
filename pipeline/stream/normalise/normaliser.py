"""Frames in, record batches and dead letters out: the only entry point of this package. Pure, in log order, one thread.

A replay of the same frames over the same tables gives the same records and the same ids of dead letters. It is best
called with all frames that wait in the log: per table and call there is one batch, however many frames it came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import orjson
from msgspec import structs

from pipeline.base.errors import FrameError, PayloadError
from pipeline.log.dead_letter import DeadLetter, Reason, decode_rejection
from pipeline.log.frame import Frame, FrameKind, decode_damaged
from pipeline.stream.normalise.alterations import Alteration
from pipeline.stream.normalise.call import Call
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.rows import batch_of
from pipeline.stream.normalise.showing import shown
from pipeline.stream.normalise.source import Source, TableState
from pipeline.stream.normalise.table_work import TableWork
from pipeline.stream.normalise.texts import Texts, TypeDecision
from store.catalog.limits import DEFAULTS, Limits
from store.endpoint.errors import DamagedPayload
from store.endpoint.import_payload import read_import
from store.endpoint.payload import ColumnRoom, read_write
from store.record import DEFAULT_ACCOUNT, MeasureType, RecordBatch, SeriesIndex, SeriesRegistry, TableId, joined

# About 0.5 KB each, with their series. Above this number all are found again; the reference load has 100,000.
MAX_SOURCES = 400_000

Known = tuple[SeriesIndex, dict[str, MeasureType], Texts, set[str]]
TypesOf = Callable[[TableId], Mapping[str, MeasureType]]
MeasuresOf = Callable[[TableId], Iterable[str]]
ColumnsOf = Callable[[str], Mapping[TableId, int]]


@dataclass(slots=True)
class Normalised:
    """The result for some frames: the batches of one table in log order, dead letters in the order of their messages.

    decisions  for the store: a measure of text gave its name up (before the batches are applied), or stays text (after
               that)
    altered    the numbers of stored fields that were altered or left out, by table, field and kind
    """

    batches: list[RecordBatch] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    decisions: list[TypeDecision] = field(default_factory=list)
    altered: Counter[tuple[TableId, str, Alteration]] = field(default_factory=Counter)


class Normaliser:
    """Turns the frames of one stream into records.

    routes    in order: the first whose template matches an MQTT topic is used
    registry  assigns ids to series, shared with store and rules
    stream    `<log id>/<topic>/<partition>` of the frames
    types_of  the types of the existing measures of a table, read once when a table is first used, so that a measure
              keeps its type over restarts; later types are learnt from the batches
    open_texts_of   the measures of text among them that may give their name up to a number; read at the same time
    asked_types_of  those whose type an operator asked for, which counts as configured
    columns_of      the number of measures of each table of an account; without it only the tables in use are counted
    over_storage    why nothing more of an account is stored; None: it is. Asked once for each call and table
    """

    def __init__(
        self,
        routes: Sequence[Route],
        registry: SeriesRegistry,
        partition: str,
        types_of: TypesOf | None = None,
        open_texts_of: MeasuresOf | None = None,
        asked_types_of: MeasuresOf | None = None,
        columns_of: ColumnsOf | None = None,
        limits: Limits = DEFAULTS,
        over_storage: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.partition = partition
        log_id, _, partition = partition.split("/")
        self._letter_prefix = f"{log_id}:{partition}"
        self._routes = tuple(routes)
        self._registry = registry
        self._types_of = types_of
        self._open_texts_of = open_texts_of
        self._asked_types_of = asked_types_of
        self._columns_of = columns_of
        self._limits = limits
        self._over_storage = over_storage
        self._unused_columns: dict[str, int] = {}  # by account: measures of its tables that are not in `_types`
        self._types: dict[TableId, Known] = {}
        self._retyped: dict[TableId, int] = {}  # of the index, when the types were read
        self._tables: dict[tuple[str, str, str], TableState] = {}  # by account, database, table
        self._sources: dict[str, dict[str, Source | None]] = {}
        self._source_count = 0
        self._newest_arrival_ns = 0

    def normalise(self, frame: Frame, offset: int) -> Normalised:
        """The result for one frame."""
        return self.normalise_many([(offset, frame)])

    def normalise_many(self, frames: Sequence[tuple[int, Frame]]) -> Normalised:
        """The result for these frames, which are in log order."""
        self._forget_dropped_tables()
        self._refresh_retyped_tables()
        out = Normalised()
        for kind, run in groupby(frames, key=lambda item: item[1].kind):
            if kind in {FrameKind.MQTT, FrameKind.MQTT_AGAIN}:
                self._mqtt(list(run), out, again=kind is FrameKind.MQTT_AGAIN)
                continue
            if kind is FrameKind.REJECTED:
                for offset, frame in run:
                    self._rejected(frame, offset, out)
            else:
                self._writes(run, out)
        for table_id, (_, _, texts, _) in self._types.items():
            if texts.news:
                out.decisions += [(table_id, name, kind) for name, kind in texts.news.items()]
                texts.news.clear()
        return out

    def damaged(self, offset: int, value: bytes, detail: str) -> list[DeadLetter]:
        """The dead letters of a log message that is not what was acknowledged: of each of its messages, if it has some.

        Any part of them may be wrong.
        """
        frame = decode_damaged(value)
        if frame is None or frame.kind is not FrameKind.MQTT:
            return [structs.replace(self.damaged_frame(offset, value, detail), reason=Reason.DAMAGED)]
        columns = zip(frame.accounts, frame.mqtt_topics, frame.payloads, strict=True)
        return [
            DeadLetter(
                f"{self._letter_prefix}:{offset}:{index}",
                account,
                mqtt_topic,
                payload,
                Reason.DAMAGED,
                detail,
                self._newest_arrival_ns,
            )
            for index, (account, mqtt_topic, payload) in enumerate(columns)
        ]

    def damaged_frame(self, offset: int, value: bytes, detail: str) -> DeadLetter:
        """The dead letter of a log message that is not a frame.

        Its arrival is that of the last good frame, or later.
        """
        return DeadLetter(
            f"{self._letter_prefix}:{offset}:0",
            DEFAULT_ACCOUNT,
            "",
            value,
            Reason.DAMAGED_FRAME,
            detail,
            self._newest_arrival_ns,
        )

    def _mqtt(self, frames: list[tuple[int, Frame]], out: Normalised, *, again: bool) -> None:
        call = Call.of(frames)
        works, refused = self._collect(call)
        for work in works:
            why = self._over_storage(work.table.index.table.account)
            if why is None:
                work.run()
            else:
                work.refuse(PayloadError(Reason.OVER_QUOTA, why))
            refused += work.refused
            for (name, alteration), count in work.alterations.items():
                out.altered[work.table.index.table, name, alteration] += count
            if work.pieces:
                table = work.table
                out.batches.append(batch_of(work.pieces, table.index, table.types, self.partition, call, again=again))
        out.dead_letters += [
            self._dead_letter(call, row, error) for row, error in sorted(refused, key=lambda item: item[0])
        ]
        if call.payloads and not again:
            self._newest_arrival_ns = int(call.arrivals[-1])

    def _collect(self, call: Call) -> tuple[Iterable[TableWork], list[tuple[int, PayloadError]]]:
        """Decode everything and sort it by table and shape. The hot loop: 1 µs here is 2 % of a core."""
        works: dict[int, TableWork] = {}
        refused: list[tuple[int, PayloadError]] = []
        remembered, loads, json_error = self._sources, orjson.loads, orjson.JSONDecodeError

        def work_for(table: TableState) -> TableWork:
            work = works.get(id(table))
            if work is None:
                work = works[id(table)] = TableWork(table, call)
                table.most_measures = self._most_measures(table.index.table, table.types)
            return work

        for row, (account, mqtt_topic, payload) in enumerate(zip(call.accounts, call.mqtt_topics, call.payloads)):  # noqa: B905  # of one length; strict costs
            try:
                source = remembered[account][mqtt_topic]
            except KeyError:
                source = self._remember(account, mqtt_topic)
            if source is None:
                refused.append(
                    (row, PayloadError(Reason.NO_ROUTE, f"no table takes the MQTT topic {shown(mqtt_topic)}"))
                )
                continue
            try:
                body = loads(payload)
            except json_error:
                body = None
            table = source.table
            plan = None
            if type(body) is dict:
                shape = tuple(body)
                plan = table.plans.get(shape) or table.plan(shape)
                if plan is not None and plan.is_nested:
                    plan, body = table.flattened(body, payload)
            if plan is None:
                work_for(table).singles.append((row, source))
                continue
            group = plan.group
            if not group.rows:
                work_for(table).plans.append(plan)
            group.rows.append(row)
            group.sources.append(source)
            group.flat.extend(body.values())
        return works.values(), refused

    def _remember(self, account: str, mqtt_topic: str) -> Source | None:
        """The source for this MQTT topic; None if no table matches."""
        if self._source_count >= MAX_SOURCES:
            self._sources.clear()
            self._source_count = 0
        source = None
        for route in self._routes:
            dimensions = route.topics.match(mqtt_topic)
            if dimensions is not None:
                source = Source(self._table(account, route), mqtt_topic, dimensions)
                break
        self._sources.setdefault(account, {})[mqtt_topic] = source
        self._source_count += 1
        return source

    def _table(self, account: str, route: Route) -> TableState:
        name = (account, route.database, route.table)
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = TableState(route, *self._known(TableId(*name)))
        return table

    def _known(self, table_id: TableId) -> Known:
        """The state of the table: its series, the types of its measures, and which are open or were asked for."""
        known = self._types.get(table_id)
        if known is None:
            index = self._registry.of(table_id)
            self._retyped[table_id] = index.retyped
            known = self._types[table_id] = (index, {}, Texts(), set())
            self._unused_columns.pop(table_id.account, None)
            self._ask(table_id)
        return known

    def _most_measures(self, table_id: TableId, types: Mapping[str, MeasureType]) -> int:
        """How many measures the table may have: by its own limit, and by what is left of its account's."""
        account = table_id.account
        unused = self._unused_columns.get(account)
        if unused is None:
            found = {} if self._columns_of is None else self._columns_of(account)
            unused = sum(count for other, count in found.items() if other not in self._types)
            self._unused_columns[account] = unused
        used = unused + sum(len(of) for other, (_, of, _, _) in self._types.items() if other.account == account)
        return min(self._limits.measures, len(types) + max(self._limits.columns - used, 0))

    def _ask(self, table_id: TableId) -> None:
        """Read the types that the store knows; types of batches on their way to the store are kept."""
        _, types, texts, asked = self._types[table_id]
        types.update({} if self._types_of is None else self._types_of(table_id))
        texts.begin(() if self._open_texts_of is None else self._open_texts_of(table_id))
        asked.update(() if self._asked_types_of is None else self._asked_types_of(table_id))
        for name in [name for name in texts.open if types.get(name) is not MeasureType.VARCHAR or name in asked]:
            del texts.open[name]

    def _refresh_retyped_tables(self) -> None:
        for table_id, (index, *_) in self._types.items():
            if index.retyped != self._retyped[table_id]:
                self._retyped[table_id] = index.retyped
                self._ask(table_id)

    def _forget_dropped_tables(self) -> None:
        """Remove the state of deleted tables: a table that is created again has another index and other types."""
        dropped = [key for key, (index, *_) in self._types.items() if self._registry.of(key) is not index]
        for table_id in dropped:
            del self._types[table_id]
            self._tables.pop((table_id.account, table_id.database, table_id.table), None)
            self._unused_columns.pop(table_id.account, None)
        if dropped:
            self._sources.clear()
            self._source_count = 0

    def _writes(self, frames: Iterable[tuple[int, Frame]], out: Normalised) -> None:
        """The batches of requests and imports: successive ones of a table with the same measures are one."""
        waiting: dict[TableId, list[RecordBatch]] = {}
        for offset, frame in frames:
            for batch in self._requests(frame, offset, out):
                of_table = waiting.setdefault(batch.table, [])
                if of_table and of_table[0].types != batch.types:
                    out.batches.append(joined(of_table))
                    of_table.clear()
                of_table.append(batch)
        out.batches += map(joined, waiting.values())

    def _requests(self, frame: Frame, offset: int, out: Normalised) -> Iterator[RecordBatch]:
        """The batch of each request.

        They were validated when they were received, so a failure here means damage.
        """
        read = read_import if frame.kind is FrameKind.IMPORT else read_write
        for row, (account, payload, arrival_ns) in enumerate(
            zip(frame.accounts, frame.payloads, frame.arrival_ns, strict=True)
        ):
            try:
                write = read(payload, account)
                _, types, _, _ = self._known(write.table)
                free = self._most_measures(write.table, types) - len(types)
                room = ColumnRoom(types, free, self._limits.dimensions)
                batch = write.batch(self._registry, self.partition, offset, arrival_ns, room)
            except DamagedPayload as error:
                letter_id = f"{self._letter_prefix}:{offset}:{row}"
                out.dead_letters.append(
                    DeadLetter(letter_id, account, "", payload, Reason.DAMAGED_FRAME, str(error), arrival_ns)
                )
            else:
                self._learn(batch)
                yield batch

    def _rejected(self, frame: Frame, offset: int, out: Normalised) -> None:
        """The dead letters of messages that the gateway rejected and acknowledged."""
        for row, (account, mqtt_topic, payload, arrival_ns) in enumerate(
            zip(frame.accounts, frame.mqtt_topics, frame.payloads, frame.arrival_ns, strict=True)
        ):
            try:
                found = decode_rejection(payload)
                reason, detail, payload = found.reason, found.detail, found.payload  # noqa: PLW2901
            except FrameError as error:
                reason, detail = Reason.DAMAGED_FRAME, str(error)
            letter_id = f"{self._letter_prefix}:{offset}:{row}"
            out.dead_letters.append(DeadLetter(letter_id, account, mqtt_topic, payload, reason, detail, arrival_ns))

    def _learn(self, batch: RecordBatch) -> None:
        """Add the types that are new in a WriteRecords request; the store rejects records with other types."""
        _, types, texts, _ = self._known(batch.table)
        for name, measure_type in batch.types.items():
            if types.setdefault(name, measure_type) is MeasureType.VARCHAR and name in texts.open:
                texts.settle(name)

    def _dead_letter(self, call: Call, row: int, error: PayloadError) -> DeadLetter:
        offset, index = call.place_of(row)
        return DeadLetter(
            f"{self._letter_prefix}:{offset}:{index}",
            call.accounts[row],
            call.mqtt_topics[row],
            call.payloads[row],
            Reason(error.reason),
            str(error),
            int(call.arrivals[row]),
        )
