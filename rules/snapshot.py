"""The format of the saved rule state of one table: one MessagePack array.

    [format version, {stream: position}, [[measure name, [[dimension, value] …]] …], {measure: signals}, {rule: phases},
     {rule: facts}]

Series are identified by their keys and, in the arrays, by their index in the list of keys, because ids are valid only
within one process. Arrays are little-endian bytes. Signals are [times (i8), values (f8), marks]: one time and value per
key, and the marks (absent in older files) [series (u4), ahead (i8), sound (i8)] of those that have any (`rules.ahead`).
Phases, only of series that are pending or firing, are [series (u4), phase (i1), bound (i1), onset (i8)]. The key of a
rule's phases is the hash of its definition, so that a changed rule starts without state and all others keep theirs. The
facts (absent in older files) are those of firing rules: name, measure, bounds, whether of a rate, labels, annotations.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rules.arrays import Scalar
from rules.errors import RuleSnapshotError
from store.record import Dimensions, SeriesKey

FORMAT_VERSION = 1


class MarkState(msgspec.Struct, array_like=True, frozen=True):
    """The signals of one measure that had a sample ahead of its time."""

    series: bytes = b""
    ahead_ns: bytes = b""
    sound_ns: bytes = b""


class SignalState(msgspec.Struct, array_like=True, frozen=True):
    """The newest sample of each signal of one measure, in the order of the keys."""

    time_ns: bytes
    value: bytes
    marks: MarkState = MarkState()


class PhaseState(msgspec.Struct, array_like=True, frozen=True):
    """The signals of one rule that are pending or firing."""

    series: bytes
    phase: bytes
    side: bytes
    onset_ns: bytes


class RuleFacts(msgspec.Struct, array_like=True, frozen=True):
    """The description of a rule in alerts, for when the rule does not exist any more. Infinite bounds are open ends."""

    name: str
    measure: str
    min: float
    max: float
    is_rate: bool
    labels: dict[str, str]
    annotations: dict[str, str]


class BlockState(msgspec.Struct, array_like=True, frozen=True):
    """The state of all rules of one table."""

    format_version: int
    positions: dict[str, int]
    keys: list[tuple[str, Dimensions]]
    signals: dict[str, SignalState]
    phases: dict[str, PhaseState]
    rules: dict[str, RuleFacts] = {}

    def series_keys(self) -> list[SeriesKey]:
        """The keys in the form used within a process."""
        return [SeriesKey(dimensions, measure_name) for measure_name, dimensions in self.keys]


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
    phases: dict[str, PhaseState],
    rules: dict[str, RuleFacts],
) -> bytes:
    """This state as bytes: a `BlockState`."""
    return _encoder.encode((FORMAT_VERSION, positions, keys, signals, phases, rules))


def decode_state(data: bytes) -> BlockState:
    """The state in `data`. Raises RuleSnapshotError if it is damaged or of another version."""
    try:
        version = _version_decoder.decode(data).format_version
        if version != FORMAT_VERSION:
            raise RuleSnapshotError(f"rule state of format version {version}; this program reads {FORMAT_VERSION}")
        state = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # the second for invalid UTF-8
        raise RuleSnapshotError(f"{len(data)} bytes are not rule state: {error}") from error
    _check_lengths(state)
    return state


def packed(array: npt.NDArray[np.generic], kind: type[Scalar]) -> bytes:
    """The elements of `array` as `kind`, little-endian."""
    return array.astype(np.dtype(kind).newbyteorder("<")).tobytes()


def unpacked(data: bytes, kind: type[Scalar]) -> npt.NDArray[Scalar]:
    """The elements that `packed` encoded, in this machine's byte order."""
    return np.frombuffer(data, np.dtype(kind).newbyteorder("<")).astype(kind)


def _check_lengths(state: BlockState) -> None:
    """Refuse arrays of inconsistent lengths, before any of them is used."""
    keys = len(state.keys)
    for measure, signals in state.signals.items():
        if len(signals.time_ns) != 8 * keys or len(signals.value) != 8 * keys:
            raise RuleSnapshotError(f"rule state has {keys} series, but not as many signals of {measure}")
        marks = signals.marks
        count = len(marks.series) // 4
        if (len(marks.series), len(marks.ahead_ns), len(marks.sound_ns)) != (4 * count, 8 * count, 8 * count):
            raise RuleSnapshotError(f"rule state has marks of {measure} whose arrays differ in length")
        _check_series(marks.series, keys)
    for phases in state.phases.values():
        count = len(phases.phase)
        if (len(phases.series), len(phases.side), len(phases.onset_ns)) != (4 * count, count, 8 * count):
            raise RuleSnapshotError("rule state has phases whose arrays differ in length")
        _check_series(phases.series, keys)


def _check_series(series: bytes, keys: int) -> None:
    if series and int(np.frombuffer(series, "<u4").max()) >= keys:
        raise RuleSnapshotError(f"rule state has something of a series beyond its {keys}")
