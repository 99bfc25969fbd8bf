"""Where messages and records go on a log with several partitions."""

from __future__ import annotations

import pytest

from pipeline.config.tables import DEFAULT_TABLE, Table
from pipeline.stream.partitioning import (
    MAX_REMEMBERED,
    Partitioner,
    partition_of_message,
    partition_of_record,
    partitioner_of,
    zonings_from,
)

PARTITIONS = 64  # so many that two keys seldom meet
GREENHOUSE = Table(
    name="agriculture.readings", topics="greenhouse/{region}/{greenhouse}/{zone}/{sensor}", zone="{greenhouse}/{zone}"
)
BY_PAYLOAD = Table(name="fleet.positions", topics="fleet/{vehicle}", zone="depot", dimensions=("depot",))
ZONINGS = zonings_from([GREENHOUSE, BY_PAYLOAD, DEFAULT_TABLE])


def message(mqtt_topic: str, account: str = "default") -> int:
    return partition_of_message(ZONINGS, PARTITIONS, account, mqtt_topic)


def record(zone: str | None, account: str = "default", **dimensions: str) -> int:
    return partition_of_record(PARTITIONS, account, "agriculture", "readings", zone, dimensions)


def test_a_message_and_a_record_of_the_same_table_and_zone_go_to_one_partition() -> None:
    zones = [(f"gh-{number}", zone) for number in range(20) for zone in ("north", "south")]

    found = {
        zone: {
            message(f"greenhouse/eu/{greenhouse}/{zone}/s1"),
            message(f"greenhouse/us/{greenhouse}/{zone}/s2"),
            record(f"{greenhouse}/{zone}", sensor="s3"),
        }
        for greenhouse, zone in zones
    }

    assert [len(partitions) for partitions in found.values()] == [1] * len(found)


def test_zones_spread_over_all_partitions() -> None:
    found = {message(f"greenhouse/eu/gh-{number}/north/s1") for number in range(1_000)}

    assert found == set(range(PARTITIONS))


def test_accounts_do_not_share_their_zones() -> None:
    assert len({message("greenhouse/eu/gh-1/north/s1", f"farm-{number}") for number in range(20)}) > 10


def test_where_the_zone_depends_on_the_payload_the_mqtt_topic_decides() -> None:
    assert len({message(f"fleet/v{number}") for number in range(20)}) > 10
    assert message("fleet/v1") == message("fleet/v1")


def test_in_a_table_without_a_zone_template_the_mqtt_topic_without_its_last_level_decides() -> None:
    assert message("plant/line-1/temperature") == message("plant/line-1/pressure")
    assert message("plant/line-1/temperature") == partition_of_record(
        PARTITIONS, "default", "default", "readings", "plant/line-1", {}
    )


def test_what_no_table_takes_goes_by_its_mqtt_topic() -> None:
    found = {partition_of_message([], PARTITIONS, "default", f"a/{number}") for number in range(100)}

    assert len(found) > 30


def test_a_record_without_a_zone_goes_by_its_dimensions_in_any_order() -> None:
    assert record(None, a="1", b="2") == record(None, b="2", a="1")
    assert len({record(None, device=f"d{number}") for number in range(20)}) > 10


@pytest.mark.parametrize(("mqtt_topic", "partition"), [("greenhouse/eu/gh-1/north/s1", 13), ("fleet/v1", 37)])
def test_a_key_keeps_its_partition_from_version_to_version(mqtt_topic: str, partition: int) -> None:
    assert message(mqtt_topic) == partition


def test_what_is_remembered_is_bounded_and_stays_right(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_REMEMBERED >= 100_000, "the devices of the reference load are all remembered"
    monkeypatch.setattr("pipeline.stream.partitioning.MAX_REMEMBERED", 10)
    partitioner = Partitioner(ZONINGS, PARTITIONS)
    mqtt_topics = [f"greenhouse/eu/gh-{number}/north/s1" for number in range(25)] * 2

    assert [partitioner("default", mqtt_topic) for mqtt_topic in mqtt_topics] == [*map(message, mqtt_topics)]
    assert len(partitioner._known) <= 10


def test_one_partition_needs_no_partitioner() -> None:
    assert partitioner_of([DEFAULT_TABLE], 1) is None
    assert partitioner_of([DEFAULT_TABLE], 2) is not None
