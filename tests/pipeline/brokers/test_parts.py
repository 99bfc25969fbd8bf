"""Who a gateway is to a broker, how long it waits, and what it makes of odd texts."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.brokers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_AFTER_S, Backoff
from pipeline.brokers.identity import Identity
from pipeline.brokers.settings import BrokerSettings
from pipeline.brokers.texts import MAX_PAYLOAD_BYTES, MAX_TOPIC_BYTES, readable_payload, readable_topic

BROKER = BrokerSettings("b", 1883, ("#",), password="secret")


def test_a_client_id_is_the_same_after_a_restart_and_another_for_each_process_and_entry(tmp_path: Path) -> None:
    first, second = Identity(tmp_path), Identity(tmp_path)
    of_first = first.client_id(BROKER, ())
    ids = [
        of_first,
        second.client_id(BROKER, ()),
        first.client_id(BROKER, (BROKER,)),
        first.client_id(replace(BROKER, port=1884), (BROKER,)),
    ]
    first.release()
    again = Identity(tmp_path)

    assert len(set(ids)) == 4
    assert again.client_id(BROKER, ()) == of_first
    assert all(len(one) <= 23 and one.isalnum() for one in ids)


def test_a_configured_client_id_is_taken_as_it_is(tmp_path: Path) -> None:
    assert Identity(tmp_path).client_id(replace(BROKER, client_id="mine"), ()) == "mine"


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b"{}", b'{"name": 1}'])
def test_a_damaged_identity_is_replaced(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "0.json").write_bytes(damaged)

    assert Identity(tmp_path).client_id(BROKER, ()).startswith("sg")
    assert json.loads((tmp_path / "0.json").read_bytes())["sessions"] == {}


def test_what_a_session_is_subscribed_to_is_kept(tmp_path: Path) -> None:
    identity = Identity(tmp_path)
    identity.remember_filters("a", ["x/#"])
    identity.release()

    assert Identity(tmp_path).filters_of("a") == ("x/#",)


def test_waits_double_up_to_the_longest_and_begin_anew_after_a_steady_connection() -> None:
    backoff = Backoff(random.Random(7))
    waits_s = [backoff.wait_s(0.0) for _ in range(20)]

    for number, wait_s in enumerate(waits_s):
        longest_s = min(FIRST_WAIT_S * 2**number, LONGEST_WAIT_S)
        assert longest_s / 2 <= wait_s <= longest_s
    assert len(set(waits_s)) == len(waits_s)
    assert backoff.wait_s(STEADY_AFTER_S - 0.1) > FIRST_WAIT_S
    assert backoff.wait_s(STEADY_AFTER_S) <= FIRST_WAIT_S


def test_a_payload_is_kept_up_to_the_most_and_beyond_it_becomes_what_cannot_be_decoded() -> None:
    most = b"1" * MAX_PAYLOAD_BYTES

    assert readable_payload(most[:-1]) == most[:-1]
    assert readable_payload(most) == most
    with pytest.raises(UnicodeDecodeError):
        readable_payload(most + b"1").decode()


def test_a_topic_is_kept_up_to_the_most_and_cut_beyond_it() -> None:
    most = "é" * (MAX_TOPIC_BYTES // 2)

    assert readable_topic(most) == most
    assert readable_topic(most + "a") == most
    assert readable_topic("a" + most) == "a" + most[:-1]


def test_a_password_is_in_no_text_about_a_broker() -> None:
    assert "secret" not in f"{BROKER} {BROKER!r} {BROKER.name}"
