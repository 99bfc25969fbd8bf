"""What must follow from the log, by a second and simpler implementation: rows, dead letters and alerts.

It knows the form of a frame and the rules of this one configuration, and nothing of the product's normalising, upserts
or rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import orjson

from pipeline.log.frame import Frame, FrameKind, decode_frame
from pipeline.log.topics import READINGS
from tests.simulation.deleters import chosen_by
from tests.simulation.log import Log

RULES = """\
groups:
  - name: sim
    table: sim.air
    rules:
      - alert: Hot
        measure: v
        range: {max: 30}
        clear: {max: 20}
      - alert: Cold
        measure: v
        range: {min: 5}
        for: 2s
"""
MS = 1_000_000
HOLD_NS = 2_000_000_000

Key = tuple[str, str, str, int]
"""Table, zone, device, time."""
UNPUBLISHED = {FrameKind.WRITE_RECORDS, FrameKind.DELETE}
"""Not from devices."""
TABLES = {"site": "air", "now": "now"}


@dataclass(slots=True)
class Message:
    """One message of the log."""

    partition: int
    offset: int
    index: int
    mqtt_topic: str
    payload: bytes
    arrival_ns: int
    kind: FrameKind


def messages(log: Log, upto: Sequence[int] | None = None) -> Iterator[Message]:
    """All readings that were ever appended, up to and including these offsets by partition; damaged frames left out."""
    for number in range(log.partitions):
        history = log.of(READINGS, number).history
        for offset, value in enumerate(history if upto is None else history[: upto[number] + 1]):
            frame = frame_of(value)
            if frame is None:
                continue
            if frame.kind is FrameKind.TICK:
                continue
            for index, (mqtt_topic, payload, arrival_ns) in enumerate(
                zip(frame.mqtt_topics, frame.payloads, frame.arrival_ns, strict=True)
            ):
                yield Message(number, offset, index, mqtt_topic, payload, arrival_ns, frame.kind)


def rows(of: Iterable[Message]) -> dict[Key, dict[str, float]]:
    """The rows of all tables: measures merge by key, the later message wins; what is written goes by its version."""
    found: dict[Key, dict[str, float]] = {}
    versions: dict[Key, int] = {}
    partition = -1
    before: set[Key] = set()  # of other partitions
    for message in of:
        if message.partition != partition:
            partition, before = message.partition, set(found)
        if message.kind is FrameKind.DELETE:
            _delete(message, versions, found, before)
            continue
        if message.kind is FrameKind.WRITE_RECORDS:
            _judge(message, versions, found)
            continue
        body = body_of(message)
        if body is None:
            continue
        table, zone, device = message.mqtt_topic.split("/")
        time_ns = body.pop("time", None)
        key = TABLES[table], zone, device, message.arrival_ns if time_ns is None else int(time_ns) * MS
        found.setdefault(key, {}).update({name: float(value) for name, value in body.items()})
    return found


def verdicts(of: Iterable[Message]) -> dict[bytes, list[tuple[str, int]]]:
    """The outcome, and the version that stands in the way of one that is refused, of each request by its payload."""
    found: dict[bytes, list[tuple[str, int]]] = {}
    rows: dict[Key, dict[str, float]] = {}
    versions: dict[Key, int] = {}
    partition = -1
    before: set[Key] = set()
    for message in of:
        if message.partition != partition:
            partition, before = message.partition, set(rows)
        if message.kind is FrameKind.DELETE:
            _delete(message, versions, rows, before)
        if message.kind is FrameKind.WRITE_RECORDS:
            found.setdefault(message.payload, []).append(_judge(message, versions, rows))
    return found


def _judge(message: Message, versions: dict[Key, int], rows: dict[Key, dict[str, float]]) -> tuple[str, int]:
    """Store the only record of this request, unless what is there is newer."""
    _, _, table, ((_, dimensions, _),), _, (time_ns,), (version,), ((measure, _, (value,)),) = msgspec.msgpack.decode(
        message.payload
    )
    named = dict(dimensions)
    key = table, named["zone"], named["device"], time_ns
    values, stored = {measure: value}, versions.get(key)
    if stored is not None and (version < stored or (version == stored and rows[key] != values)):
        return "REJECTED", stored
    outcome = "NEW" if stored is None else "SAME" if version == stored else "REPLACED"
    versions[key], rows[key] = version, values
    return outcome, 0


def _delete(
    message: Message, versions: dict[Key, int], rows: dict[Key, dict[str, float]], others: Collection[Key]
) -> None:
    """Delete rows of the partition, which are not among `others`."""
    table, device, before_ms = chosen_by(msgspec.msgpack.decode(message.payload)[3])
    for key in [key for key in rows if key not in others and (key[0], key[2]) == (table, device)]:
        if before_ms is None or key[3] < before_ms * MS:
            del rows[key]
            versions.pop(key, None)


def averages(of: Mapping[Key, Mapping[str, float]], table: str, measure: str) -> dict[str, tuple[int, float]]:
    """The number and the sum of the values in each zone, of these rows."""
    found: dict[str, tuple[int, float]] = {}
    for (of_table, zone, _, _), row in of.items():
        if of_table == table and measure in row:
            count, total = found.get(zone, (0, 0.0))
            found[zone] = count + 1, total + row[measure]
    return found


def dead_letters(log: Log) -> set[tuple[int, int, int, bytes]]:
    """(partition, offset, index, payload) of each letter; a damaged frame is one."""
    published = (of for of in messages(log) if of.kind not in UNPUBLISHED)
    found = {(of.partition, of.offset, of.index, of.payload) for of in published if body_of(of) is None}
    for number in range(log.partitions):
        for offset, value in enumerate(log.of(READINGS, number).history):
            if frame_of(value) is None:
                found.add((number, offset, 0, value))
    return found


@dataclass(slots=True)
class _Signal:
    newest_ns: int = -1
    onset_ns: dict[str, int] = field(default_factory=dict)  # by rule, while it is pending or firing
    firing: set[str] = field(default_factory=set)


def alerts(of: Iterable[Message]) -> dict[tuple[str, str, int], list[tuple[str, int, float]]]:
    """(rule, device, onset) → (status, time, value) of each event, in order."""
    found: dict[tuple[str, str, int], list[tuple[str, int, float]]] = {}
    signals: dict[str, _Signal] = {}
    for message in of:
        body = None if message.kind in UNPUBLISHED else body_of(message)
        if body is None or "time" not in body or "v" not in body:
            continue
        device, time_ns, value = message.mqtt_topic.split("/")[2], int(body["time"]) * MS, float(body["v"])
        signal = signals.setdefault(device, _Signal())
        if time_ns <= signal.newest_ns:
            continue
        signal.newest_ns = time_ns
        for rule, is_beyond, is_clear, hold_ns in (
            ("Hot", value > 30, value <= 20, 0),
            ("Cold", value < 5, value >= 5, HOLD_NS),
        ):
            if rule in signal.firing:
                if is_clear:
                    signal.firing.discard(rule)
                    found[rule, device, signal.onset_ns.pop(rule)].append(("resolved", time_ns, value))
            elif not is_beyond:
                signal.onset_ns.pop(rule, None)
            elif time_ns - signal.onset_ns.setdefault(rule, time_ns) >= hold_ns:
                signal.firing.add(rule)
                found[rule, device, signal.onset_ns[rule]] = [("firing", time_ns, value)]
    return found


def body_of(message: Message) -> dict[str, float] | None:
    """The payload; None if it is no JSON."""
    try:
        body: dict[str, float] = orjson.loads(message.payload)
    except orjson.JSONDecodeError:
        return None
    return body


_decode_frame = decode_frame  # this one, whatever takes its place in the product


def frame_of(value: bytes) -> Frame | None:
    """The frame; None if it is damaged."""
    try:
        return _decode_frame(value)
    except Exception:  # noqa: BLE001  # whatever it says of a damaged one
        return None
