"""The parts that decide: names, client ids."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pipeline.base.errors import DataDirError, MalformedPacket
from pipeline.config.brokers import Broker
from pipeline.gateway.brokers.identity import Identity
from pipeline.gateway.mqtt.decode import header
from pipeline.gateway.mqtt.parts import parts_of


def broker(url: str = "mqtt://h", **settings: object) -> Broker:
    return Broker(**{"url": url, "topics": ("a",), **settings})  # type: ignore[arg-type]  # pydantic reads them


def test_a_client_id_stays_whatever_the_order_and_the_topics_are(tmp_path: Path) -> None:
    one, two = broker("mqtt://one"), broker("mqtt://u:p@two")
    first = Identity(tmp_path)
    ids = first.client_ids([one, two])
    first.release()

    again = Identity(tmp_path)

    assert again.client_ids([broker("mqtt://u:other@two", topics=("b",)), one]) == ids[::-1]
    again.release()


def test_no_two_clients_have_one_id(tmp_path: Path) -> None:
    """Not two gateways on one data_dir, nor on two, nor two entries that look the same."""
    entries = [broker(), broker(topics=("b",)), broker(group="g"), broker("mqtt://u@h"), broker(account="x")]
    identities = [Identity(tmp_path / folder) for folder in ("one", "one", "two")]

    ids = [client_id for identity in identities for client_id in identity.client_ids(entries)]

    assert len(set(ids)) == len(ids) == 15
    assert all(len(client_id) == 23 for client_id in ids)
    for identity in identities:
        identity.release()


def test_a_client_id_of_the_configuration_is_kept_and_numbered_for_further_gateways(tmp_path: Path) -> None:
    first, second = Identity(tmp_path), Identity(tmp_path)

    assert first.client_ids([broker(client_id="ingest")]) == ["ingest"]
    assert second.client_ids([broker(client_id="ingest")]) == ["ingest-2"]
    first.release()
    second.release()


def test_what_is_subscribed_is_remembered_and_a_torn_memory_is_no_obstacle(tmp_path: Path) -> None:
    first = Identity(tmp_path)
    first.remember("c", ["a/#", "b"])
    first.release()
    second = Identity(tmp_path)
    assert second.subscribed("c") == {"a/#", "b"}
    second.release()

    third = Identity(tmp_path)
    third.ask("c", ["a/#", "c"])
    third.release()
    fourth = Identity(tmp_path)
    assert (fourth.subscribed("c"), fourth.may_have("c")) == ({"a/#", "b"}, {"a/#", "b", "c"})
    fourth.remember("c", ["c"])
    assert fourth.may_have("c") == {"c"}
    fourth.release()

    for torn, known in ((["slot-0.json"], {"c"}), (["slot-0.json", "slot-0.json.copy"], set())):
        for name in torn:
            (tmp_path / name).write_text('{"filters": ')
        last = Identity(tmp_path)
        assert last.may_have("c") == known
        last.release()


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"format_version": 2, "id": "x"})])
def test_an_identity_that_cannot_be_read_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "identity.json"
    file.write_text(text)

    with pytest.raises(DataDirError, match=r"identity\.json"):
        Identity(tmp_path)

    assert file.read_text() == text


@pytest.mark.parametrize("is_v5", [True, False])
def test_no_bytes_of_a_publish_raise_anything_but_malformed(is_v5: bool) -> None:
    rng = random.Random(5)
    read = 0
    for _ in range(5_000):
        body = bytes(rng.choices(range(256), weights=[400, 200, 100, 50] + [1] * 252, k=rng.randrange(12)))
        data = bytes((0x30 | rng.randrange(16), len(body))) + body
        found = header(data, 0, 100)
        assert found is not None
        try:
            message = parts_of(data, found, is_v5=is_v5)
            message.identifiers  # noqa: B018  may raise
        except MalformedPacket:
            continue
        read += 1
        message.shown_topic.encode()
        assert body.endswith(message.payload)
    assert read > 100
