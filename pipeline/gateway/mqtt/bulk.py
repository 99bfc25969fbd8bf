"""PUBLISH packets in bulk: the one place of this package where speed determines the form of the code.

`take_publishes` reads as many consecutive complete, ordinary PUBLISH packets as there are, and creates no objects
except the results: the payload, and the two bytes of the packet identifier. *Ordinary* means QoS 0 or 1, a body below
16 KiB, a known topic name, a payload that is not empty, and no properties. It stops before any other packet without
judging it: `decode` reads that packet, and raises if necessary.
"""

from __future__ import annotations

from collections.abc import Mapping


def take_publishes(  # noqa: PLR0912  one loop without calls: a call costs as much as the packet
    data: bytes,
    at: int,
    known: Mapping[bytes, str],
    mqtt_topics: list[str],
    payloads: list[bytes],
    packet_ids: list[bytes],
    *,
    is_v5: bool,
    limit: int,
    takes_retained: bool = True,
) -> int:
    """The position after the last packet read from `data[at:]`; at most `limit` are read.

    Topics and payloads are appended to their lists, and with QoS 1 the packet identifiers; `known` is
    `TopicNames.known`. Messages with RETAIN are ordinary only if `takes_retained`.
    """
    mask_1, mask_0 = (0b1111_0110, 0b1111_1110) if takes_retained else (0b1111_0111, 0b1111_1111)
    end = len(data)
    while limit and at + 4 < end:  # 4: the shortest packet has five bytes
        first = data[at]
        size = data[at + 1]
        body = at + 2
        if size > 0x7F:
            high = data[body]
            if high > 0x7F:
                break
            size += (high << 7) - 0x80
            body += 1
        stop = body + size
        if stop > end or size < 3:
            break
        start = body + 2 + (data[body] << 8 | data[body + 1])
        name = known.get(data[body + 2 : start])
        if name is None:
            break
        if first & mask_1 == 0b0011_0010:  # PUBLISH of QoS 1; DUP may be set
            packet_id = data[start : start + 2]
            start += 2
            if is_v5:
                if start >= stop or data[start]:
                    break
                start += 1
            if start >= stop or packet_id == b"\0\0":
                break
            packet_ids.append(packet_id)
        elif first & mask_0 == 0b0011_0000:  # QoS 0
            if is_v5:
                if start >= stop or data[start]:
                    break
                start += 1
            if start >= stop:
                break
        else:
            break
        mqtt_topics.append(name)
        payloads.append(data[start:stop])
        at = stop
        limit -= 1
    return at
