"""Rule state of format version 1, which had no kinds with state of their own.

    [1, {stream: position}, keys, {measure: signals}, {rule: phases}, {rule: facts}]

Facts (absent in the oldest files) are of firing rules alone, and say whether a value is a rate. The definition of a
rule was hashed in another way: `definition_1` finds what was saved for a rule of today.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import timedelta

import msgspec
import numpy as np

from rules.definition.bands import Limits
from rules.definition.level import Hold, Level
from rules.definition.selection import Pattern
from rules.errors import RuleSnapshotError
from rules.kinds.range import Range
from rules.kinds.rate_of_change import RateOfChange
from rules.rule import Rule
from rules.saved.state import AlertState, BlockState, PhaseState, RuleFacts, RuleState, SignalState
from rules.values.arrays import packed, unpacked
from store.record import Dimensions


class _Facts(msgspec.Struct, array_like=True, frozen=True):
    name: str
    measure: str
    min: float
    max: float
    is_rate: bool
    labels: dict[str, str]
    annotations: dict[str, str]

    def today(self) -> RuleFacts:
        """The same as it is saved today."""
        return RuleFacts(self.name, self.measure, not self.is_rate, [""], self.labels, self.annotations)


class _Phases(msgspec.Struct, array_like=True, frozen=True):
    series: bytes
    phase: bytes
    side: bytes
    onset_ns: bytes

    def rule(self, facts: _Facts | None) -> RuleState:
        """The rule with these phases; the bounds of firing alerts are those in its facts."""
        count = len(self.phase)
        if (len(self.series), len(self.side), len(self.onset_ns)) != (4 * count, count, 8 * count):
            raise RuleSnapshotError("rule state has phases whose arrays differ in length")
        levels = [PhaseState(self.series, self.phase, self.onset_ns)]
        firing = unpacked(self.phase, np.int8) == _FIRING
        is_max = unpacked(self.side, np.int8)[firing] == _MAX
        low, high = (-math.inf, math.inf) if facts is None else (facts.min, facts.max)
        alerts = AlertState(
            packed(unpacked(self.series, np.uint32)[firing], np.uint32),
            packed(np.zeros(len(is_max)), np.int8),
            packed(unpacked(self.onset_ns, np.int64)[firing], np.int64),
            packed(is_max, np.int8),
            packed(np.where(is_max, high, low), np.float64),
        )
        return RuleState(None if facts is None else facts.today(), None, levels, alerts)


_FIRING = 2
_MAX = 2


class _Block(msgspec.Struct, array_like=True, frozen=True):
    format_version: int
    positions: dict[str, int]
    keys: list[tuple[str, Dimensions]]
    signals: dict[str, SignalState]
    phases: dict[str, _Phases]
    rules: dict[str, _Facts] = {}


_decoder = msgspec.msgpack.Decoder(_Block)


def of_version_1(data: bytes) -> BlockState:
    """The state in `data`, whose rules have the definitions of that time. Raises MsgspecError."""
    block = _decoder.decode(data)
    rules = {definition: phases.rule(block.rules.get(definition)) for definition, phases in block.phases.items()}
    return BlockState(1, block.positions, block.keys, block.signals, rules)


def redefined(state: BlockState, rules: Iterable[Rule]) -> BlockState:
    """`state` with the definitions of today, as far as `rules` has these rules."""
    if state.format_version != 1:
        return state
    today = {former: rule for rule in rules if (former := definition_1(rule)) is not None}
    known = {
        today[definition].definition if definition in today else definition: saved
        if saved.facts is not None or definition not in today
        else _with_bounds(saved, today[definition])
        for definition, saved in state.rules.items()
    }
    return msgspec.structs.replace(state, rules=known)


def _with_bounds(saved: RuleState, rule: Rule) -> RuleState:
    """A rule of the oldest files, with the bounds that its alerts have exceeded."""
    bounds = rule.levels[0].limits.bounds
    bound = np.where(unpacked(saved.alerts.is_max, np.int8) == 1, bounds.max, bounds.min)
    return msgspec.structs.replace(saved, alerts=msgspec.structs.replace(saved.alerts, bound=packed(bound, np.float64)))


def definition_1(rule: Rule) -> str | None:
    """The definition of a rule in format version 1; None if that had no such rules."""
    if not isinstance(rule.condition, Range | RateOfChange):
        return None
    (level,) = rule.levels if len(rule.levels) == 1 else (None,)
    if any(isinstance(wanted, Pattern) for wanted in rule.where.values()):
        return None
    if level is None or level != Level(Limits(level.limits.bounds, level.limits.clear), hold=Hold(level.hold.ns)):
        return None
    where = sorted((name, sorted(wanted)) for name, wanted in rule.where.items() if not isinstance(wanted, Pattern))
    per = rule.condition.per if isinstance(rule.condition, RateOfChange) else None
    bounds, clear = level.limits.bounds, level.limits.clear
    hold = timedelta(microseconds=level.hold.ns // 1000)
    facts = (
        (rule.name, rule.table, rule.measure, where, str(hold), str(per)),
        (bounds.min, bounds.max, clear.min, clear.max),
    )
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]
