"""Which devices are silent, and when, by a second and simpler implementation than the product's.

It knows the ticks of one gateway. Each rule of `RULES` is about one device, so that no zone is silent as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.log.frame import Frame, FrameKind
from pipeline.log.tick import tick_of
from pipeline.log.topics import READINGS
from tests.simulation import oracle
from tests.simulation.log import Log

AFTER_NS = 1_000_000_000
DEVICES = ("d0", "d1")
RULES = "".join(
    f"""\
      - alert: Silent-{device}
        where: {{device: {device}}}
        missing: {{after: 1s}}
"""
    for device in DEVICES
)
LONGEST_NS = 30 * 10**9


@dataclass(slots=True)
class _Device:
    heard_ns: int = 0
    arrival_ns: int = 0
    is_silent: bool = False


def silences(log: Log) -> dict[tuple[str, str, int], list[tuple[str, int, float]]]:
    """(rule, device, onset) → (status, time, seconds of silence) of each event, in order."""
    found: dict[tuple[str, str, int], list[tuple[str, int, float]]] = {}
    for number in range(log.partitions):
        listened_ns, upto_ns, began_ns = 0, None, None
        devices: dict[str, _Device] = {}
        for value in log.of(READINGS, number).history:
            frame = oracle.frame_of(value)
            if frame is None:
                continue
            if frame.kind is FrameKind.TICK:
                tick = tick_of(frame)
                listened_ns += 0 if upto_ns is None else tick.to_ns - tick.from_ns
                upto_ns = tick.to_ns
                if devices and began_ns is None:
                    began_ns = upto_ns
                for name, device in devices.items():
                    if not device.is_silent and listened_ns >= device.heard_ns + AFTER_NS:
                        device.is_silent = True
                        _tell(found, name, device, began_ns, upto_ns)
                continue
            for mqtt_topic, arrival_ns in _heard(frame, upto_ns):
                name = mqtt_topic.split("/")[2]
                if began_ns is None:  # with the first row of the table
                    began_ns = upto_ns
                device = devices.setdefault(name, _Device())
                if device.is_silent:
                    _tell(found, name, device, began_ns, arrival_ns)
                pending_ns = 0 if upto_ns is None else min(max(arrival_ns - upto_ns, 0), LONGEST_NS)
                devices[name] = _Device(listened_ns + pending_ns, arrival_ns)
    return {key: events for key, events in found.items() if key[1] in DEVICES}


def _heard(frame: Frame, upto_ns: int | None) -> list[tuple[str, int]]:
    """The messages of the frame that become rows, without what arrived long ago."""
    found = []
    for index, (mqtt_topic, payload, arrival_ns) in enumerate(
        zip(frame.mqtt_topics, frame.payloads, frame.arrival_ns, strict=True)
    ):
        message = oracle.Message(0, 0, index, mqtt_topic, payload, arrival_ns, frame.kind)
        is_old = frame.kind is FrameKind.MQTT_AGAIN and upto_ns is not None and arrival_ns <= upto_ns - LONGEST_NS
        if mqtt_topic.startswith("site/") and not is_old and oracle.body_of(message) is not None:
            found.append((mqtt_topic, arrival_ns))
    return found


def _tell(
    found: dict[tuple[str, str, int], list[tuple[str, int, float]]],
    name: str,
    device: _Device,
    began_ns: int | None,
    time_ns: int,
) -> None:
    assert began_ns is not None
    since_ns = max(device.arrival_ns, began_ns)
    events = found.setdefault((f"Silent-{name}", name, since_ns), [])
    events.append(("resolved" if events else "firing", time_ns, max(0, time_ns - since_ns) / 10**9))
