"""Evaluates rules: record batches in, alert transitions out. No I/O and no clock; for one thread.

State is kept in *blocks*, one per table that has rules, each with its own position per stream. The caller:

    transitions = engine.evaluate(batch)    each batch once, in log order
    (the transitions' events are durable)
    engine.advance(stream, offset)          every record of every frame up to `offset` has been evaluated
    data = engine.snapshot(block)           at any later time; saved atomically

After a restart it calls `restore` for each block, and reads the log again from the lowest of their positions. Rows
below a block's position are skipped. Samples that its state has seen are not later than the newest of their signal, and
change nothing. So every interleaving of crashes gives the transitions of an undisturbed run, some of them twice, with
the same ids. This requires that an event is durable before a snapshot that has seen its sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rules.alerts.alert import alert_id
from rules.alerts.ended import ended_by_deletion, ended_by_rules
from rules.alerts.phases import Phase
from rules.alerts.transition import Transition
from rules.errors import RuleSnapshotError
from rules.evaluation.block import Block
from rules.evaluation.watch import Watch
from rules.kinds.feedback import Mark
from rules.rule import Rule, RuleSet
from rules.rule_warnings import Work
from rules.saved.snapshot import decode_state
from rules.saved.snapshot_1 import redefined
from rules.values.listening import Listened, ListeningClock
from store.record import RecordBatch, SeriesIndex, SeriesRegistry, TableId


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """A pending or firing subject. `value` is the newest sample of a signal; `id` that of its alert, also before it
    fires.
    """

    id: str
    phase: Phase
    table: TableId
    zone: str | None
    rule: str
    since_ns: int
    value: float | None
    measure: str
    dimensions: Mapping[str, str]
    labels: Mapping[str, str]


class Engine:
    """All rules of a process and their state over the series of `registry`."""

    def __init__(self, rules: RuleSet, registry: SeriesRegistry) -> None:
        self._rules = rules
        self._registry = registry
        self.clock = ListeningClock()  # of new blocks; each block has its own, because they are saved one by one
        self._blocks: dict[TableId, Block] = {}
        self._replaced: list[Block] = []  # of tables that were deleted and created again, until `forget_deleted`
        self._advanced: dict[str, int] = {}

    def evaluate(self, batch: RecordBatch) -> list[Transition]:
        """The transitions of this batch, in log order. A late, repeated or covered row changes nothing.

        The block's position moves to the offset before the batch's last, whose frame may contain more for this table;
        `advance` moves it further.
        """
        block = self._block(batch.index)
        if block is None:
            return []
        covered = max(block.positions.get(batch.partition, -1), self._advanced.get(batch.partition, -1))
        transitions = block.evaluate(batch, covered)
        block.advance(batch.partition, int(batch.offset[-1]) - 1)
        return transitions

    def tick(self, partition: str, offset: int, tick: Listened) -> list[Transition]:
        """The transitions caused by the tick at `offset`, behind everything before it."""
        self.clock.take(tick)
        return [
            transition
            for block in self._blocks.values()
            if block.positions.get(partition, -1) < offset
            for transition in block.tick(tick)
        ]

    def forget(
        self, partition: str, offset: int, table: TableId, dimensions: Mapping[str, str], time_ns: int
    ) -> list[Transition]:
        """Series with these dimensions, among others, are not missed any more until they are heard; at `offset`."""
        block = self._blocks.get(table)
        if block is None or block.positions.get(partition, -1) >= offset:
            return []
        return block.forget(dimensions, time_ns)

    def mark(self, partition: str, offset: int, table: TableId, mark: Mark) -> None:
        """What an operator said of an alert counts from `offset` on, if its rule still exists."""
        block = self._blocks.get(table)
        if block is not None and block.positions.get(partition, -1) < offset:
            block.mark(mark)

    def begin(self, rules: RuleSet, clock: ListeningClock | None = None) -> None:
        """Judge by these rules, before anything else. `clock` is that of the position at which reading begins."""
        assert not self._blocks
        self._rules = rules
        self.clock = clock or ListeningClock()

    def replace(self, rules: RuleSet, partition: str, offset: int) -> tuple[list[Transition], list[TableId]]:
        """Judge by these rules from `offset` on. Rules whose definition stays keep their state.

        Returns the alerts that end by this, and the tables that have no rules any more. A block whose position has
        passed the offset has these rules already, or newer ones.
        """
        self._rules = rules
        ended, gone = [], []
        for table, block in list(self._blocks.items()):
            if block.positions.get(partition, -1) >= offset:
                continue
            state = decode_state(block.snapshot(self.positions(table)))
            ended += ended_by_rules(state, block.index, rules)
            del self._blocks[table]
            made = self._block(block.index)
            if made is None:
                gone.append(table)
            else:
                made.restore(state)
        return ended, gone

    def advance(self, partition: str, offset: int) -> None:
        """Every record of every frame of `partition` up to and including `offset` has been evaluated, in all tables."""
        self._advanced[partition] = max(offset, self._advanced.get(partition, -1))

    def blocks(self) -> list[TableId]:
        """The existing blocks: tables with rules that have had records, or were restored."""
        return list(self._blocks)

    def judges(self, table: TableId) -> bool:
        """Whether there are rules for the table."""
        return bool(self._rules.of(table))

    def positions(self, block: TableId) -> dict[str, int]:
        """By partition, the offset up to and including which `block` has evaluated everything; -1: nothing yet."""
        own = self._blocks[block].positions
        return {
            partition: max(own.get(partition, -1), self._advanced.get(partition, -1))
            for partition in sorted(own.keys() | self._advanced.keys())
        }

    def snapshot(self, block: TableId) -> bytes:
        """The state of `block` with its positions, for `restore` in another process. Does not block."""
        return self._blocks[block].snapshot(self.positions(block))

    def restore(self, block: TableId, data: bytes, rules: RuleSet | None = None) -> list[Transition]:
        """Restore the state of `block`, before its first batch. Raises RuleSnapshotError.

        `rules` are those that were in force at its position; without them, those that the engine has. Rules whose
        definition has changed start without state: the alerts that end by this are returned. If no rule is left for the
        table, nothing else of the state is used.
        """
        rules = self._rules if rules is None else rules
        state = redefined(decode_state(data), rules.of(block))
        index = self._registry.of(block)
        made = self._block(index, rules)
        if made is not None:
            try:
                made.restore(state)
            except RuleSnapshotError:
                del self._blocks[block]  # half of it
                raise
        return ended_by_rules(state, index, rules)

    def forget_deleted(self) -> tuple[list[TableId], list[Transition]]:
        """Remove the state of deleted tables; returns the tables without a block, and the alerts that end by this."""
        gone = [block for block in self._blocks.values() if not self._registry.holds(block.index)]
        for block in gone:
            del self._blocks[block.index.table]
        replaced, self._replaced = self._replaced, []
        ended = [
            transition
            for block in (*gone, *replaced)
            for transition in ended_by_deletion(decode_state(block.snapshot({})), block.index)
        ]
        return [block.index.table for block in gone], ended

    def watch(self, table: TableId, rule: str) -> Watch | None:
        """The rule of this name over the table; None if there is none, or it is one of silence."""
        block = self._block(self._registry.of(table))
        return None if block is None else block.watch(rule)

    def watches(self) -> Iterator[tuple[TableId, Watch]]:
        """All rules but those of silence, with their tables."""
        return ((table, watch) for table, block in self._blocks.items() for watch in block.watches())

    def active(self) -> list[ActiveAlert]:
        """All pending and firing subjects, by table and rule."""
        return [
            ActiveAlert(
                alert_id(table, watch.rule.name, key, watch.rule.measure, onset_ns),
                Phase.PENDING if watch.raised.get(subject) is None else Phase.FIRING,
                table,
                watch.subjects.zones[subject],
                watch.rule.name,
                onset_ns,
                value,
                watch.rule.measure,
                dict(key.dimensions),
                watch.rule.labels,
            )
            for table, block in self._blocks.items()
            for watch, subject, onset_ns, value in block.active()
            for key in (watch.subjects.keys[subject],)
        ]

    def work(self, now_ns: int) -> Iterator[tuple[TableId, Rule, Work, int, int]]:
        """Per table and rule: what it has done, and how many of its subjects are pending and firing."""
        for table, block in self._blocks.items():
            for of_rule in block.work(now_ns):
                yield table, *of_rule

    def _block(self, index: SeriesIndex, rules: RuleSet | None = None) -> Block | None:
        """The block of a table; None if it has no rule. A new one has `rules`, or those of the engine."""
        block = self._blocks.get(index.table)
        if block is not None and block.index is index:
            return block
        of_table = (self._rules if rules is None else rules).of(index.table)
        if not of_table:
            return None
        made = Block(of_table, index, self.clock)
        if block is not None:  # the table was deleted and created again: other series, same position
            made.positions = block.positions
            self._replaced.append(block)
        self._blocks[index.table] = made
        return made
