"""Rule state of format version 1, which had no kinds with state of their own.

    [1, {stream: position}, keys, {measure: signals}, {rule: phases}, {rule: facts}]

Facts (absent in the oldest files) are of firing rules alone, and say whether a value is a rate. The definition of a
rule was hashed in another way: `definition_1` finds what was saved for a rule of today.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from rules.kinds.range import Range
from rules.kinds.rate_of_change import RateOfChange
from rules.rule import Rule
from rules.saved_state import BlockState, PhaseState, RuleFacts, RuleState, SignalState
from store.record import Dimensions


class _Facts(msgspec.Struct, array_like=True, frozen=True):
    name: str
    measure: str
    min: float
    max: float
    is_rate: bool
    labels: dict[str, str]
    annotations: dict[str, str]

    def now(self) -> RuleFacts:
        """The same as it is saved today."""
        return RuleFacts(self.name, self.measure, self.min, self.max, not self.is_rate, self.labels, self.annotations)


class _Block(msgspec.Struct, array_like=True, frozen=True):
    format_version: int
    positions: dict[str, int]
    keys: list[tuple[str, Dimensions]]
    signals: dict[str, SignalState]
    phases: dict[str, PhaseState]
    rules: dict[str, _Facts] = {}


_decoder = msgspec.msgpack.Decoder(_Block)


def of_version_1(data: bytes) -> BlockState:
    """The state in `data`, whose rules have the definitions of that time. Raises MsgspecError."""
    block = _decoder.decode(data)
    rules = {
        definition: RuleState(facts.now() if (facts := block.rules.get(definition)) else None, None, phases)
        for definition, phases in block.phases.items()
    }
    return BlockState(1, block.positions, block.keys, block.signals, rules)


def redefined(state: BlockState, rules: Iterable[Rule]) -> BlockState:
    """`state` with the definitions of today, as far as `rules` has these rules."""
    if state.format_version != 1:
        return state
    today = {former: rule.definition for rule in rules if (former := definition_1(rule)) is not None}
    known = {today.get(definition, definition): rule for definition, rule in state.rules.items()}
    return msgspec.structs.replace(state, rules=known)


def definition_1(rule: Rule) -> str | None:
    """The definition of a rule in format version 1; None if that had no such rules."""
    if not isinstance(rule.condition, Range | RateOfChange):
        return None
    where = sorted((name, sorted(values)) for name, values in rule.where.items())
    per = rule.condition.per if isinstance(rule.condition, RateOfChange) else None
    bounds = rule.condition.bounds
    facts = (
        (rule.name, rule.table, rule.measure, where, str(rule.hold), str(per)),
        (bounds.min, bounds.max, rule.clear.min, rule.clear.max),
    )
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()[:32]
