"""Frames and rows for the tests of normalise."""

from typing import Any

import orjson

from pipeline.log.dead_letter import DeadLetter
from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normalised, Normaliser
from pipeline.stream.normalise.routes import Route
from pipeline.stream.normalise.templates import TopicTemplate
from store.record import RecordBatch, SeriesRegistry

STREAM = "0123456789abcdef/readings/0"
ARRIVAL_NS = 1_758_639_600_000_000_000
EVERYTHING = Route("default", "readings", TopicTemplate("#"))

Message = tuple[str, str, bytes]


def frame(*messages: Message, arrival_ns: int = ARRIVAL_NS) -> Frame:
    """A frame of (account, MQTT topic, payload), arriving one nanosecond after the other."""
    return Frame(
        1,
        FrameKind.MQTT,
        [arrival_ns + index for index in range(len(messages))],
        [account for account, _, _ in messages],
        [topic for _, topic, _ in messages],
        [payload for _, _, payload in messages],
    )


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else orjson.dumps(body)


def normalise(*bodies: Any, route: Route = EVERYTHING, topic: str = "site/device") -> Normalised:
    """What these payloads (bytes, or anything that becomes JSON) become when they are one frame."""
    normaliser = Normaliser([route], SeriesRegistry(), STREAM)
    return normaliser.normalise(frame(*[("default", topic, encoded(body)) for body in bodies]), 7)


def rows(batch: RecordBatch) -> list[dict[str, Any]]:
    """The batch's rows as plain values; measures that are null are left out."""
    assert {name: column.type for name, column in batch.measures.items()} == {
        name: batch.types[name].arrow for name in batch.measures
    }
    found = []
    for i in range(len(batch)):
        key = batch.index.keys[batch.series[i]]
        measures = {name: column[i].as_py() for name, column in batch.measures.items() if column[i].is_valid}
        found.append(
            {
                "table": str(batch.table),
                "offset": int(batch.offset[i]),
                "arrival_ns": int(batch.arrival_ns[i]),
                "time_ns": int(batch.time_ns[i]),
                "dimensions": dict(key.dimensions),
                "measure_name": key.measure_name,
                "zone": batch.index.zones[batch.series[i]],
                "measures": measures,
                "types": {name: batch.types[name].value for name in measures},
            }
        )
    return found


def measures(normalised: Normalised) -> list[dict[str, Any]]:
    """The measures of every row, all messages having been good."""
    assert normalised.dead_letters == []
    return [row["measures"] for batch in normalised.batches for row in rows(batch)]


def the_letter(normalised: Normalised) -> DeadLetter:
    """The one dead letter, nothing else having come of it."""
    assert normalised.batches == []
    (letter,) = normalised.dead_letters
    return letter
