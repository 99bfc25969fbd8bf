"""MQTT topics and payloads as brokers deliver them, made fit for the log where they are not.

Brokers are lax where our own listener is not. Nothing is refused here, since what is refused comes again for ever, or
blocks what is behind it: what cannot be text is written out, and what is too large for the log becomes a payload that
says so, which cannot become a record: a dead letter.
"""

from __future__ import annotations

MAX_TOPIC_BYTES = 2_048  # as the listener's: a Timestream dimension value's most
MAX_PAYLOAD_BYTES = 4 << 20  # a frame with it and an ack batch before it still fits into 8 MiB, Kafka's most
KEPT_BYTES = 1_024


def readable_topic(topic: str) -> str:
    r"""The topic; with \x00 for NUL, and cut at `MAX_TOPIC_BYTES`."""
    if len(topic) > MAX_TOPIC_BYTES // 4 and len(topic.encode()) > MAX_TOPIC_BYTES:
        topic = topic.encode()[:MAX_TOPIC_BYTES].decode(errors="ignore")
    return topic.replace("\0", r"\x00") if "\0" in topic else topic


def readable_payload(payload: bytes) -> bytes:
    """The payload, or, of one that is too large, a note and its beginning, in no format that could be decoded."""
    if len(payload) <= MAX_PAYLOAD_BYTES:
        return payload
    note = f"a payload of {len(payload)} bytes; {MAX_PAYLOAD_BYTES} are allowed. It begins: "
    return b"\xff" + note.encode() + payload[:KEPT_BYTES]
