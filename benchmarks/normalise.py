"""The cost of turning frames into record batches, in µs per message, compared with a plain loop of json.loads.

The reference load: frames of 400 messages of 10 accounts, one object with `ts` and 4 measures each, 100,000 sensors in
random order. Run: .venv/bin/python benchmarks/normalise.py [--frames N]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from functools import partial

from pipeline.log.frame import Frame, FrameKind
from pipeline.stream.normalise.normaliser import Normaliser
from pipeline.stream.normalise.routes import MeasureRule, Route, TimeField, TimeUnit
from pipeline.stream.normalise.templates import TopicTemplate
from store.record import MeasureType, SeriesRegistry

MESSAGES_A_FRAME = 400
SENSORS = 100_000
START_NS = 1_758_639_600_000 * 10**6
ROUTE = Route(
    "agriculture",
    "readings",
    TopicTemplate("greenhouse/{region}/{greenhouse}/{zone}/{sensor}"),
    zone="{greenhouse}/{zone}",
    time=TimeField("ts", TimeUnit.MS),
    measure_name="climate",
    late_ns=366 * 86_400 * 10**9,
    measures={"temperature": MeasureRule("temperature", MeasureType.DOUBLE)},
)


def frames_of(count: int, rng: random.Random, kind: str = "flat") -> list[tuple[int, Frame]]:
    """Frames as the gateway makes them."""
    return [
        (offset, frame_of(offset, [rng.randrange(SENSORS) for _ in range(MESSAGES_A_FRAME)], rng, kind))
        for offset in range(count)
    ]


def frame_of(offset: int, sensors: list[int], rng: random.Random, kind: str = "flat") -> Frame:
    """A frame with one message of each of these sensors."""
    payloads = []
    for sensor in sensors:
        climate = {
            "temperature": round(rng.gauss(21, 3), 2),
            "humidity": round(rng.uniform(30, 90), 1),
            "co2": rng.randrange(400, 1200),
            "soil_moisture": round(rng.random(), 3),
        }
        body = {"ts": START_NS // 10**6 + offset, **climate}
        if kind == "nested":
            body = {"ts": body["ts"], "climate": climate}
        if kind == "one bad in 100" and sensor % 100 == 0:
            body["co2"] = "high"
        payloads.append(json.dumps(body).encode())
    return Frame(
        1,
        FrameKind.MQTT,
        [START_NS + offset * 10**6 + i for i in range(len(sensors))],
        [f"farm-{sensor % 10}" for sensor in sensors],
        [f"greenhouse/region-{s % 30}/gh-{s % 300}/zone-{s % 1200}/s-{s:05}" for s in sensors],
        payloads,
    )


def us_a_message(work: Callable[[], object], messages: int, repeats: int = 3) -> float:
    """The best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best / messages * 1e6


def split(normaliser: Normaliser, frames: list[tuple[int, Frame]], together: int) -> None:
    """Normalise `together` frames at once."""
    for start in range(0, len(frames), together):
        normaliser.normalise_many(frames[start : start + together])


def report(kind: str, frames: list[tuple[int, Frame]]) -> None:
    """Print the lines of one kind of payload."""
    payloads = [payload for _, frame in frames for payload in frame.payloads]
    baseline = us_a_message(lambda: [json.loads(payload) for payload in payloads], len(payloads))
    print(f"{kind:16} json.loads alone              {baseline:6.2f}  1.00")
    for together in (1, 8, 32):
        normaliser = Normaliser([ROUTE], SeriesRegistry(), "0/readings/0")
        split(normaliser, frames, together)  # devices are known: the state of a running system
        cost = us_a_message(partial(split, normaliser, frames, together), len(payloads))
        print(f"{kind:16} normalise, {together:2} frames at once  {cost:6.2f}  {cost / baseline:.2f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=256)
    frame_count = parser.parse_args().frames
    print(
        f"{frame_count * MESSAGES_A_FRAME} messages, {MESSAGES_A_FRAME} a frame, 10 accounts; µs a message, best of 3"
    )
    for kind in ("flat", "one bad in 100", "nested"):
        report(kind, frames_of(frame_count, random.Random(1), kind))


if __name__ == "__main__":
    main()
