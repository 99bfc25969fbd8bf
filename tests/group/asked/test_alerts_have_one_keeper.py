"""Alerts, dead letters and webhooks of a group: kept by one worker, asked of any, and taken over without repetition."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from pipeline.base.errors import ServerRefused, ServerUnreachable
from pipeline.log import open_admin
from pipeline.log.settings import LogSettings
from pipeline.log.topics import ALERTS
from pipeline.operations.demo import Receiver
from tests.support.group_kit import ZONES, device, publish, shared_out
from tests.support.group_product import GroupProduct, Part
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


HOUSE = "hot"


def asked(worker: Part, *path: str, **parameters: str) -> Any:
    """What this worker answers; None while it cannot."""
    try:
        with worker.client() as client:
            return client.get("v1", *path, parameters=parameters.items())
    except (ServerRefused, ServerUnreachable):
        return None


def firing(worker: Part) -> set[str]:
    answer = asked(worker, "alerts", status="firing") or {"alerts": []}
    return {alert["zone"] for alert in answer["alerts"]}


def delivered(worker: Part) -> int:
    answer = asked(worker, "alerts", "deliveries", state="delivered") or {"deliveries": []}
    return len(answer["deliveries"])


def settled(product: GroupProduct) -> int:
    """How many deliveries the log says were settled: who keeps the alerts next goes by that."""
    told = json.loads((product.folder / f"{product.workers[0].name}.yaml").read_text())["log"]
    settings = LogSettings(told["url"], prefix=told["prefix"], partitions=told["partitions"])
    with closing(open_admin(settings)) as admin:
        messages = admin.read(ALERTS, 0, 1000)
    return sum("settled" in event for message in messages for event in json.loads(message.value))


def wait_until_posted(product: GroupProduct, zones: set[str]) -> None:
    """Return once every worker tells that the alerts of these zones fire and are delivered, and the log too."""
    for worker in product.workers:
        wait_for(lambda worker=worker: firing(worker) == zones, "it knows of all", timeout_s=60)  # type: ignore[misc]
        wait_for(lambda worker=worker: delivered(worker) == len(zones), "all are posted", timeout_s=60)  # type: ignore[misc]
    wait_for(lambda: settled(product) == len(zones), "that is noted in the log")


def test_alerts_are_posted_once_and_known_to_every_worker_whoever_dies(group: GroupProduct, receiver: Receiver) -> None:
    """Each worker is killed once: the alerts' owner among them. What was delivered is in the log, so not sent anew."""
    expected: set[str] = set()
    with device(group) as sensor:
        publish(sensor, house=HOUSE, temperature=20.0)
        for number, victim in enumerate([None, *group.workers]):
            if victim is not None:
                group.restart(victim)
            hot = ZONES[4 * number : 4 * number + 4]
            publish(sensor, hot, house=HOUSE, temperature=40.0)
            expected |= {f"{HOUSE}/{zone}" for zone in hot}
            wait_until_posted(group, expected)
    posted: Counter[str] = Counter()
    while not receiver.events.empty():
        posted[receiver.events.get()["data"]["id"]] += 1

    assert len(posted) == len(expected)
    assert set(posted.values()) == {1}


def test_dead_letters_are_listed_and_replayed_by_any_worker(group: GroupProduct) -> None:
    """Whoever keeps them: questions go there."""
    with device(group) as sensor:
        for zone in ZONES:
            letter = sensor.publish(f"fault/r/broken/{zone}/s", b"{no json", qos=1)
            letter.wait_for_publish(60)
            assert letter.is_published()
    for worker in group.workers:
        wait_for(
            lambda worker=worker: (
                len((asked(worker, "dead-letters") or {"dead_letters": []})["dead_letters"])  # type: ignore[misc]
                == len(ZONES)
            ),
            "all dead letters are listed",
        )
        devices = wait_for(lambda worker=worker: asked(worker, "devices"), "it tells of devices")  # type: ignore[misc]
        assert sum(entry["count"] for entry in devices["rejected"]) == len(ZONES)

    with group.workers[1].client() as client:
        answer = client.post("v1", "dead-letters", "replay", body={"reason": "invalid_json"}).json()

    assert answer["replayed"] == len(ZONES)
    for worker in group.workers:  # they failed again, and the first ones are marked
        again = wait_for(lambda worker=worker: asked(worker, "dead-letters", replayed="true"), "it answers")  # type: ignore[misc]
        assert len(again["dead_letters"]) == len(ZONES)

    first, second = group.workers
    for gone, other, end in ((first, second, Part.kill), (second, first, Part.end)):  # one of them keeps them
        end(gone)
        wait_for(lambda of=other: marks(of) == {True: len(ZONES), False: len(ZONES)}, "the other knows", timeout_s=60)  # type: ignore[misc]
        gone.start()
        wait_for(lambda: shared_out(group), "both have partitions again", timeout_s=60)


def marks(worker: Part) -> dict[bool, int]:
    """How many dead letters were replayed, and how many were not."""
    found = (asked(worker, "dead-letters") or {"dead_letters": []})["dead_letters"]
    return Counter(entry["replayed"] is not None for entry in found)
