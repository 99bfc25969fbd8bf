"""What arrives: the newest messages of an account on MQTT topics that a filter matches, read from the end of the log.

So the stream does nothing for it, and nobody else either while nobody looks. A look reads what was appended since the
one before, at most MOST_FRAMES of each partition: what is more is not read, but counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial

from pipeline.base.errors import FrameError
from pipeline.base.mqtt_filters import matches
from pipeline.log.dead_letter import Reason, decode_rejection
from pipeline.log.frame import Frame, FrameKind, decode_frame
from pipeline.log.log import LogAdmin, Message
from pipeline.log.topics import READINGS

MOST_FRAMES = 512
FIRST_FRAMES = 8  # of each partition that the first look begins with; where they have too few messages, it goes back
BACK = 4  # times as many frames, each time it goes back
MOST_MESSAGES = 20  # of a look
_KNOWN_TOPICS = 100_000

_BY_DEVICES = frozenset({FrameKind.MQTT, FrameKind.MQTT_AGAIN, FrameKind.REJECTED})


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message, and why the gateway has rejected it, if it has: its reason and what was wrong."""

    arrival_ns: int
    mqtt_topic: str
    payload: bytes
    rejected: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The newest messages of a look, oldest first; how many matched; how many frames were not read."""

    newest: list[Arrival]
    matched: int
    unread_frames: int


class LogEnd:
    """Reads on from the end of the log, for one account and one filter. One thread at a time; may block."""

    def __init__(self, log: LogAdmin, account: str, topic_filter: str) -> None:
        self._log = log
        self._account = account
        self._next: dict[int, int] = {}
        self._matches = lru_cache(_KNOWN_TOPICS)(partial(matches, topic_filter))

    def look(self) -> Arrivals:
        """What has come since the last look. Raises LogError."""
        newest: list[Arrival] = []
        matched = unread = 0
        for partition in range(self._log.partitions_of(READINGS)):
            frames, left_out = self._read(partition)
            unread += left_out
            of_partition: deque[Arrival] = deque(maxlen=MOST_MESSAGES)
            for frame in frames:
                for row in self._rows(frame):
                    matched += 1
                    of_partition.append(_arrival(frame, row))
            newest += of_partition
        newest.sort(key=lambda arrival: arrival.arrival_ns)
        return Arrivals(newest[-MOST_MESSAGES:], matched, unread)

    def _read(self, partition: int) -> tuple[list[Frame], int]:
        """The frames that were appended since the last look, and how many others."""
        end = self._log.extent(READINGS, partition).next_offset
        first = self._next[partition] if partition in self._next else self._first(partition, end)
        left_out = max(0, end - MOST_FRAMES - first)
        read = self._log.read(READINGS, max(0, first + left_out), MOST_FRAMES, partition)
        self._next[partition] = max(end, read[-1].offset + 1 if read else 0)
        return _frames(read), left_out

    def _first(self, partition: int, end: int) -> int:
        """Where the first look begins: so far back that it finds enough messages, by at most MOST_FRAMES."""
        back = FIRST_FRAMES
        while back < min(MOST_FRAMES, end):
            frames = _frames(self._log.read(READINGS, max(0, end - back), back, partition))
            if sum(1 for frame in frames for _ in self._rows(frame)) >= MOST_MESSAGES:
                break
            back = min(back * BACK, MOST_FRAMES)
        return end - back

    def _rows(self, frame: Frame) -> Iterator[int]:
        """The places of the account's messages that match."""
        for row, (account, mqtt_topic) in enumerate(zip(frame.accounts, frame.mqtt_topics, strict=True)):
            if account == self._account and self._matches(mqtt_topic):
                yield row


def _frames(read: Iterable[Message]) -> list[Frame]:
    """Those with messages of devices."""
    frames = []
    for message in read:
        with suppress(FrameError):  # the stream makes a dead letter of it, and says so
            frames.append(decode_frame(message.value))
    return [frame for frame in frames if frame.kind in _BY_DEVICES]


def _arrival(frame: Frame, row: int) -> Arrival:
    arrival_ns, mqtt_topic, payload = frame.arrival_ns[row], frame.mqtt_topics[row], frame.payloads[row]
    if frame.kind is not FrameKind.REJECTED:
        return Arrival(arrival_ns, mqtt_topic, payload)
    try:
        found = decode_rejection(payload)
    except FrameError as error:
        return Arrival(arrival_ns, mqtt_topic, payload, (Reason.DAMAGED_FRAME, str(error)))
    return Arrival(arrival_ns, mqtt_topic, found.payload, (found.reason, found.detail))
