"""In-flight messages of each connection: a ring per connection, so that acknowledging is arithmetic on arrays.

Messages of a connection are numbered by *sequence*; the packet id is sequence mod window + 1. A server must acknowledge
in the order in which it received ([MQTT-4.6.0-2]), so the in-flight messages are always the range tail … head, and
after a reconnect that range must be sent again.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sending.messages import Bytes2, Ints, Messages

from simulators import packets


class OutOfOrder(Exception):
    """The server acknowledged another packet than the oldest in flight: a fault of the server."""


class Window:
    """The rings of all connections, and the state of each message number.

    late    ratio of new messages whose time is in the past: from `late_by_ms` before the start on, each once, so that
            no two messages have the same key (sensor and time); such times are odd, others even
    resend  ratio of packets that repeat an earlier message of their connection: same key, same values
    """

    def __init__(
        self,
        messages: Messages,
        *,
        sensors: int,
        connections: int,
        window: int,
        late: float,
        late_by_ms: int,
        resend: float,
        start_ms: int,
        rng: np.random.Generator,
    ) -> None:
        self.connections, self.size = connections, window
        self._messages, self._rng = messages, rng
        self._late, self._resend = late, resend
        self.head = np.zeros(connections, dtype=np.int64)
        self.tail = np.zeros(connections, dtype=np.int64)
        self._number = np.zeros((connections, window), dtype=np.int64)
        self._ts_ms = np.zeros((connections, window), dtype=np.int64)
        self._sensor = np.zeros((connections, window), dtype=np.int64)
        self._sent_s = np.zeros((connections, window))
        # Connection c has the sensors s with s % connections == c, in its own order.
        self._order = rng.permuted(np.arange(sensors).reshape(-1, connections).T, axis=1)
        self._cursor = np.zeros(connections, dtype=np.int64)
        self._last_ms = np.full(sensors, start_ms & ~1, dtype=np.int64)
        self._last_late_ms = np.full(sensors, (start_ms - late_by_ms) | 1, dtype=np.int64)
        self._acknowledged = np.zeros(1 << 16, dtype=bool)
        self.numbers = 0  # the number of messages so far
        self.packets = self.resent = self.retransmitted = self.late_messages = 0

    @property
    def sensors_per_connection(self) -> int:
        """How many messages of one connection in one batch certainly have different sensors."""
        return int(self._order.shape[1])

    def free(self) -> Ints:
        """How many more packets each connection may send."""
        return np.asarray(self.size - (self.head - self.tail))

    def produce(self, connections: Ints, counts: Ints, now_ms: int) -> Bytes2:
        """New packets as rows: `counts[i]` (1 … free, at most `sensors_per_connection`) per connection."""
        n = int(counts.sum())
        c = np.repeat(connections, counts)
        first_row = np.repeat(np.cumsum(counts) - counts, counts)
        sequence = self.head[c] + np.arange(n) - first_row
        is_new = self._rng.random(n) >= self._resend if self._resend else np.ones(n, dtype=bool)
        is_new |= self.head[c] == 0
        number, ts_ms, sensor = self._old(c)
        made = np.cumsum(is_new)
        before = made - is_new
        rank = before - before[first_row]
        fresh = np.flatnonzero(is_new)
        sensor[fresh] = self._order[c[fresh], (self._cursor[c[fresh]] + rank[fresh]) % self.sensors_per_connection]
        number[fresh] = self.numbers + before[fresh]
        ts_ms[fresh] = self._times(sensor[fresh], now_ms)
        np.add.at(self._cursor, c[fresh], 1)
        slot = sequence % self.size
        self._number[c, slot], self._ts_ms[c, slot], self._sensor[c, slot] = number, ts_ms, sensor
        self.head[connections] += counts
        self.numbers += len(fresh)
        self.packets += n
        self.resent += n - len(fresh)
        return self._messages.packets(number, sensor, ts_ms, slot + 1)

    def sent(self, connections: Ints, counts: Ints, times_s: npt.NDArray[np.float64]) -> None:
        """The newest `counts[i]` packets of `connections[i]` were written at `times_s[i]`."""
        c = np.repeat(connections, counts)
        back = np.arange(len(c)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        self._sent_s[c, (self.head[c] - back) % self.size] = np.repeat(times_s, counts)

    def acknowledge(self, connections: Ints, counts: Ints, packet_ids: Ints, now_s: float) -> npt.NDArray[np.float64]:
        """Process PUBACKs, `counts[i]` of them from `connections[i]`; returns the seconds each took.

        Raises OutOfOrder.
        """
        c = np.repeat(connections, counts)
        sequence = self.tail[c] + np.arange(len(c)) - np.repeat(np.cumsum(counts) - counts, counts)
        slot = sequence % self.size
        if (slot + 1 != packet_ids).any() or (sequence >= self.head[c]).any():
            wrong = int(np.flatnonzero((slot + 1 != packet_ids) | (sequence >= self.head[c]))[0])
            raise OutOfOrder(
                f"PUBACK of packet id {packet_ids[wrong]}, where {slot[wrong] + 1} is the oldest in flight"
            )
        self.tail[connections] += counts
        self._mark(self._number[c, slot])
        return np.asarray(now_s - self._sent_s[c, slot])

    def again(self, connection: int, now_s: float) -> Bytes2:
        """All in-flight messages of a connection again, marked DUP."""
        slot = np.arange(self.tail[connection], self.head[connection]) % self.size
        ring = (self._number[connection, slot], self._sensor[connection, slot], self._ts_ms[connection, slot])
        out = self._messages.packets(*ring, slot + 1)
        out[:, 0] |= packets.DUP
        self._sent_s[connection, slot] = now_s
        self.retransmitted += len(slot)
        return out

    @property
    def in_flight(self) -> int:
        """Packets without a PUBACK."""
        return int((self.head - self.tail).sum())

    def acknowledged(self) -> Ints:
        """Numbers of the messages with a PUBACK, ascending."""
        return np.flatnonzero(self._acknowledged[: self.numbers])

    def unknown(self) -> Ints:
        """Numbers of the messages that were sent without a PUBACK, ascending."""
        return np.flatnonzero(~self._acknowledged[: self.numbers])

    def _old(self, c: Ints) -> tuple[Ints, Ints, Ints]:
        """For each row some earlier message of its connection (any, if it has none)."""
        if not self._resend:
            return tuple(np.empty(len(c), dtype=np.int64) for _ in range(3))  # type: ignore[return-value]
        back = 1 + (self._rng.random(len(c)) * np.minimum(self.head[c], self.size)).astype(np.int64)
        slot = (self.head[c] - back) % self.size
        return self._number[c, slot], self._ts_ms[c, slot], self._sensor[c, slot]

    def _times(self, sensor: Ints, now_ms: int) -> Ints:
        """Event times of new messages, later than all before of the same sensor and kind; sensors are distinct."""
        times = np.maximum(now_ms & ~1, self._last_ms[sensor] + 2)
        if not self._late:
            self._last_ms[sensor] = times
            return times
        is_late = self._rng.random(len(sensor)) < self._late
        self.late_messages += int(is_late.sum())
        self._last_ms[sensor[~is_late]] = times[~is_late]
        self._last_late_ms[sensor[is_late]] += 2
        return np.where(is_late, self._last_late_ms[sensor], times)

    def _mark(self, numbers: Ints) -> None:
        while len(self._acknowledged) < self.numbers:
            self._acknowledged = np.concatenate((self._acknowledged, np.zeros_like(self._acknowledged)))
        self._acknowledged[numbers] = True
