"""A message that several filters match is one message; retained ones that are no news are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.base import metrics
from pipeline.config.brokers import Broker, broker_warnings
from pipeline.gateway.brokers.copies import Copies
from pipeline.gateway.brokers.seen import Seen
from pipeline.gateway.mqtt.codes import Version
from tests.support.broker_intake import Publisher, Take, until
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_packets import publish as publish_packet
from tests.support.scripted_broker import Scripted

VERSIONS = ("5", "3.1.1")


def entry(mosquitto: Mosquitto, *topics: str, **settings: Any) -> dict[str, Any]:
    return {"url": f"mqtt://{mosquitto.address}", "topics": list(topics), **settings}


async def subscribed(mosquitto: Mosquitto, times: int = 1) -> None:
    """Until the broker has answered so many SUBSCRIBEs of ours."""
    await until(lambda: mosquitto.log.count("Sending SUBACK to streamgauge-") >= times)


def left(kind: str, mosquitto: Mosquitto) -> float:
    value: float = metrics.broker_left_messages.labels(mosquitto.address, kind)._value.get()
    return value


# --- copies ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("topics", "subscriptions"), [(("a/#", "a/+", "a/b"), 1), (("a/b", "+/b", "a/+"), 2), (("a/+", "+/b", "a/#"), 2)]
)
async def test_a_message_that_several_filters_match_is_stored_once(
    version: str, topics: tuple[str, ...], subscriptions: int, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    intake = await take(entry(mosquitto, *topics, version=version))
    await subscribed(mosquitto, subscriptions if version == "5" else 1)

    for number in range(20):  # alike, as pulses are
        await publish([b"pulse"], "a/b")
        await publish([b"a %d" % number], "a/c")
    await publish([b"last"], "a/b")

    await intake.has([b"last", b"a 19"])
    await until(lambda: metrics.broker_unacknowledged.labels(mosquitto.address)._value.get() == 0)
    assert intake.payloads.count(b"pulse") == 20
    assert len(intake.payloads) == 41
    if version == "5" and subscriptions == 2:
        assert left("copy", mosquitto) == 21  # which is what Mosquitto does, and the reason for all this


async def test_members_of_a_group_store_a_message_that_several_filters_match_once(
    mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    shared = entry(mosquitto, "a/+", "+/b", group="g")
    intakes = [await take(shared, folder="1"), await take(shared, folder="2")]
    await subscribed(mosquitto, 4)

    payloads = [b"%d" % number for number in range(40)]
    await publish(payloads, "a/b")

    await until(lambda: left("copy", mosquitto) == 40)
    await until(lambda: sum(len(intake.payloads) for intake in intakes) >= 40)
    assert sorted(intakes[0].payloads + intakes[1].payloads) == sorted(payloads)


def test_exactly_one_of_the_copies_is_taken_in_whatever_the_order_of_the_filters() -> None:
    for filters in (("a/+", "+/b", "#"), ("#", "+/b", "a/+")):
        copies = Copies(filters)
        copies.granted = set(filters)
        for topic, matching in (("a/b", filters), ("a/c", ("a/+", "#")), ("x", ("#",))):
            kept = [each for each in matching if copies.is_ours(topic, [copies.identifiers[each]])]
            assert kept == ["#"]
            assert copies.is_ours(topic, list(copies.identifiers.values()))  # one copy for all


def test_a_filter_that_the_broker_refused_counts_for_nothing() -> None:
    copies = Copies(("a/+", "+/b"))
    copies.granted = {"a/+"}

    assert copies.is_ours("a/b", [copies.identifiers["a/+"]])
    assert not copies.is_ours("a/b", [copies.identifiers["+/b"]])
    copies.granted = ()
    assert copies.is_ours("a/b", [copies.identifiers["+/b"]])


def test_a_copy_from_before_a_change_of_the_filters_is_never_left() -> None:
    before, after = Copies(("a/+", "+/b")), Copies(("a/+", "+/b", "+/+/c"))
    after.granted = ("a/+", "+/b", "+/+/c")

    assert all(after.is_ours("a/b", [identifier]) for identifier in before.identifiers.values())
    assert after.is_ours("a/b", [])


async def test_a_broker_without_identifiers_is_asked_for_none_and_all_is_taken_in(take: Take) -> None:
    async with Scripted() as broker:
        intake = await take({"url": broker.url, "topics": ["a/+", "+/b"]})
        connection = await broker.accept(bytes.fromhex("20 05 00 00 02 29 00"), granted=b"\1\1")
        connection.send(publish_packet("a/b", b"1", packet_id=1, version=Version.V5) * 2)

        await intake.has([b"1"])
        await until(lambda: len(intake.payloads) == 2)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([{"topics": ["a/+", "+/b"], "version": "3.1.1"}], "a/+ and +/b match the same messages"),
        ([{"topics": ["a/+", "+/b"]}], None),
        ([{"topics": ["a/#", "a/b"], "version": "3.1.1"}], None),
        ([{"topics": ["a/#"]}, {"topics": ["b", "+/b"]}], "brokers[1].topics: +/b and a/# of brokers[0]"),
        ([{"topics": ["a/#"]}, {"topics": ["a/#"], "account": "other"}], None),
        ([{"topics": ["a/#"], "group": "g"}, {"topics": ["a/#"], "group": "g"}], None),
        ([{"topics": ["a/#"], "group": "g"}, {"topics": ["a/+"], "group": "g"}], "match the same messages"),
        ([{"topics": ["a/#"]}, {"topics": ["b/#"]}], None),
    ],
)
def test_filters_whose_messages_come_twice_are_told_of(entries: list[dict[str, Any]], told: str | None) -> None:
    warnings = broker_warnings([Broker(url="mqtt://127.0.0.1", **each) for each in entries])

    assert len(warnings) == (told is not None)
    assert told is None or told in warnings[0]


# --- retained messages ---


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_retained_message_is_stored_once_over_restarts_of_us_and_of_the_broker(
    version: str, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    await publish([b"old"], "a/silent", retain=True)
    first = await take(entry(mosquitto, "a/#", version=version))
    await first.has([b"old"])
    await publish([b"live"], "a/alive", retain=True)
    await first.has([b"live"])
    await first.stop()
    await publish([b"news"], "a/changed", retain=True)

    second = await take(entry(mosquitto, "a/#", "b", version=version))  # "b" is new: all of it may come again
    await subscribed(mosquitto, 2)
    await publish([b"last"], "b")

    await second.has([b"news", b"last"])
    assert sorted(second.payloads) == [b"last", b"news"]


async def test_after_the_broker_lost_our_session_its_retained_messages_are_no_news(tmp_path: Path, take: Take) -> None:
    async with Scripted() as broker:
        intake = await take({"url": broker.url, "topics": ["a/#"], "keep_alive": "5s"})
        first = await broker.accept()
        first.send(publish_packet("a/b", b"1", packet_id=1, version=Version.V5, flags=1))
        first.send(publish_packet("a/b", b"2", packet_id=2, version=Version.V5))
        await intake.has([b"2"])
        first.cut()
        again = await broker.accept()
        again.send(publish_packet("a/b", b"2", packet_id=1, version=Version.V5, flags=1))
        again.send(publish_packet("a/b", b"1", packet_id=2, version=Version.V5, flags=1))
        again.send(publish_packet("a/b", b"last", packet_id=3, version=Version.V5))

        await again.receive(b"\x40\2\0\1\x40\2\0\2\x40\2\0\3")
        assert intake.payloads == [b"1", b"2", b"1", b"last"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("retained", "times"), [("ignore", 0), ("take", 2)])
async def test_retained_messages_are_ignored_or_taken_as_the_entry_says(
    version: str, retained: str, times: int, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    await publish([b"old"], "a/b", retain=True)
    for folder in ("1", "2"):  # two new sessions
        intake = await take(entry(mosquitto, "a/#", version=version, retained=retained), folder=folder)
        await subscribed(mosquitto, int(folder))
        await publish([b"live"], "a/b")
        await intake.has([b"live"])
        assert intake.payloads == [b"old"] * (times // 2) + [b"live"]
        await intake.stop()


@pytest.mark.parametrize("version", VERSIONS)
async def test_clearing_a_retained_message_leaves_nothing_and_makes_the_next_one_news(
    version: str, mosquitto: Mosquitto, take: Take, publish: Publisher
) -> None:
    intake = await take(entry(mosquitto, "a/#", version=version))
    await subscribed(mosquitto)

    await publish([b"on"], "a/b", retain=True)
    await publish([b""], "a/b", retain=True)
    await publish([b"last"], "a/c")

    await intake.has([b"last"])
    assert (intake.payloads, intake.rejected) == ([b"on", b"last"], [])
    assert left("cleared", mosquitto) == 1


async def test_what_is_known_is_not_written_down_before_it_is_durable(
    tmp_path: Path, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.gateway.brokers.subscriber.SAVE_S", 0)
    async with Scripted() as broker:
        intake = await take({"url": broker.url, "topics": ["a/#"]})
        connection = await broker.accept()
        intake.log.is_stalled = True
        connection.send(publish_packet("a/b", b"1", packet_id=1, version=Version.V5))
        subscriber = intake.brokers._subscribers[0]
        await until(
            lambda: subscriber._seen is not None and subscriber._saved_s > 0 and not subscriber._seen.has_changed
        )
        await until(lambda: intake.log.waiting_bytes > 0)
        files = list((tmp_path / "gateway").glob("*.seen"))
        intake.log.is_stalled = False
        intake.log.let_go()
        await connection.receive(b"\x40\2\0\1")

        await until(lambda: list((tmp_path / "gateway").glob("*.seen")))
        assert files == []


def test_an_older_memory_is_never_written_over_a_later_one(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "seen")
    seen.note(["a"], [b"1"])
    older = seen.snapshot()
    seen.note(["a"], [b"2"])

    seen.save(seen.snapshot())
    seen.save(older)

    assert Seen(tmp_path / "seen").has("a", b"2")


def test_the_memory_is_read_again_and_a_torn_one_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Seen(tmp_path / "seen")
    first.note(["a", "b", "a"], [b"1", b"2", b"3"])
    first.save(first.snapshot())

    second = Seen(tmp_path / "seen")
    assert (second.has("a", b"3"), second.has("a", b"1"), second.has("b", b"2"), second.has("c", b"")) == (
        True, False, True, False,
    )  # fmt: skip
    second.forget("a")
    assert not second.has("a", b"3")

    (tmp_path / "seen").write_bytes(b"\x92\x01")
    assert not Seen(tmp_path / "seen").has("b", b"2")
    monkeypatch.setattr("pipeline.gateway.brokers.seen.MOST_TOPICS", 1)
    second.note(["c"], [b"4"])
    assert not second.has("b", b"2")
