"""Bytes of the saved rule state of one table, whose structure is in `rules.saved.state`, and back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from rules.errors import RuleSnapshotError
from rules.rule import Rule
from rules.saved.snapshot_1 import of_version_1
from rules.saved.state import (
    FORMAT_VERSION,
    AlertState,
    BlockState,
    LaneState,
    PhaseState,
    RuleFacts,
    RuleState,
    SavedClock,
    SavedHearing,
    SignalState,
)
from store.record import SeriesKey


class _Version(msgspec.Struct, array_like=True):
    """The common beginning of every version."""

    format_version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(BlockState)
_version_decoder = msgspec.msgpack.Decoder(_Version)


class PackedKeys:
    """The keys of a block in their saved form. Each is packed once, because every snapshot has all of them."""

    def __init__(self) -> None:
        self._count = 0
        self._packed = bytearray()

    def first(self, keys: Sequence[SeriesKey], size: int) -> msgspec.Raw:
        """The first `size` of these keys, which only become more."""
        for key in keys[self._count : size]:
            _encoder.encode_into((key.measure_name, key.dimensions), self._packed, -1)
        self._count = size
        return msgspec.Raw(_array_header(size) + self._packed)


def _array_header(size: int) -> bytes:
    """MessagePack's beginning of an array, the shortest for this size."""
    if size < 16:
        return bytes([0x90 | size])
    return b"\xdc" + size.to_bytes(2) if size < 2**16 else b"\xdd" + size.to_bytes(4)


def encode_state(
    positions: dict[str, int],
    keys: msgspec.Raw,
    signals: dict[str, SignalState],
    rules: dict[str, RuleState],
    hearings: dict[str, SavedHearing] | None = None,
    clock: SavedClock | None = None,
    lanes: dict[str, LaneState] | None = None,
) -> bytes:
    """This state as bytes: a `BlockState`."""
    heard = () if clock is None else (hearings or {}, clock, lanes or {})
    return _encoder.encode((FORMAT_VERSION, positions, keys, signals, rules, *heard))


def facts_of(rule: Rule) -> RuleFacts:
    """The description of a rule in its alerts."""
    annotations = {name: str(template) for name, template in rule.annotations.items()}
    levels = [level.name for level in rule.levels]
    return RuleFacts(rule.name, rule.measure, rule.condition.is_measured, levels, dict(rule.labels), annotations)


def decode_state(data: bytes) -> BlockState:
    """The state in `data`. Raises RuleSnapshotError if it is damaged or of a newer version.

    That of format version 1 still has the keys that its rules had then.
    """
    try:
        version = _version_decoder.decode(data).format_version
        if version not in (1, FORMAT_VERSION):
            raise RuleSnapshotError(f"rule state of format version {version}; this program reads {FORMAT_VERSION}")
        state = of_version_1(data) if version == 1 else _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second for invalid UTF-8
        raise RuleSnapshotError(f"{len(data)} bytes are not rule state: {error}") from error
    _check_lengths(state)
    return state


def _check_lengths(state: BlockState) -> None:
    """Refuse arrays of inconsistent lengths, before any of them is used."""
    keys = len(state.keys)
    signals_of_all = (*state.signals.items(), *(item for lane in state.lanes.values() for item in lane.signals.items()))
    for measure, signals in signals_of_all:
        if len(signals.time_ns) != 8 * keys or len(signals.value) != 8 * keys:
            raise RuleSnapshotError(f"rule state has {keys} series, but not as many signals of {measure}")
        marks = signals.marks
        count = len(marks.series) // 4
        if (len(marks.series), len(marks.ahead_ns), len(marks.sound_ns)) != (4 * count, 8 * count, 8 * count):
            raise RuleSnapshotError(f"rule state has marks of {measure} whose arrays differ in length")
        _check_series(marks.series, keys)
    for rule in state.rules.values():
        subjects = keys if rule.subjects is None else len(rule.subjects)
        for level in rule.levels:
            count = len(level.phase)
            fired = len(level.fired_ns) // 8
            _check_arrays(level, {"subject": 4 * count, "phase": count, "onset_ns": 8 * count}, subjects)
            optional = {name: width * count for name, width in _OPTIONAL.items() if getattr(level, name)}
            _check_arrays(level, {**optional, "fired_subject": 4 * fired, "fired_ns": 8 * fired}, subjects)
        count = len(rule.alerts.level)
        sizes = {"subject": 4, "level": 1, "onset_ns": 8, "is_max": 1, "bound": 8}
        _check_arrays(rule.alerts, {name: width * count for name, width in sizes.items()}, subjects)


_OPTIONAL = {"count": 4, "clear_ns": 8, "normal_ns": 8}


def _check_arrays(state: PhaseState | AlertState, sizes: dict[str, int], subjects: int) -> None:
    for name, size in sizes.items():
        array: bytes = getattr(state, name)
        if len(array) != size:
            raise RuleSnapshotError("rule state has phases whose arrays differ in length")
        if name.endswith("subject"):
            _check_series(array, subjects)


def _check_series(series: bytes, keys: int) -> None:
    if series and int(np.frombuffer(series, "<u4").max()) >= keys:
        raise RuleSnapshotError(f"rule state has something of a series beyond its {keys}")
