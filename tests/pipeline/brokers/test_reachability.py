"""What is wrong with a broker is told in words that say how to mend it: by the check, and by a gateway's log."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mosquitto import PASSWORD, USER, Mosquitto, free_port, publisher, running
from takers import Take, counted, until

from pipeline import metrics
from pipeline.brokers.reachability import check_broker
from pipeline.brokers.settings import BrokerSettings
from pipeline.log.settings import Tls


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with running(tmp_path_factory.mktemp("secure"), secure=True) as broker:
        yield broker


@pytest.fixture
def good(secure: Mosquitto) -> BrokerSettings:
    """With all that the broker wants."""
    folder = secure.folder
    tls = Tls(folder / "ca.pem", folder / "client.pem", folder / "client.key")
    return BrokerSettings("localhost", secure.port, ("fault/#",), username=USER, password=PASSWORD, tls=tls)


def test_a_broker_that_lets_us_subscribe_is_fine(good: BrokerSettings) -> None:
    assert check_broker(good).is_ok
    assert check_broker(replace(good, is_v5=False)).is_ok


def test_each_problem_is_told_apart_and_with_its_remedy(good: BrokerSettings) -> None:
    files = good.tls
    assert files is not None
    wrong = {
        "bad_credentials": replace(good, password="wrong", is_v5=False),
        "not_authorized": replace(good, password="wrong"),
        "refused": replace(good, port=free_port()),
        "tls": replace(good, tls=Tls()),
        "dns": replace(good, host="no-such-host.invalid"),
    }
    found = {reason: check_broker(settings) for reason, settings in wrong.items()}

    assert {one.reason for one in found.values()} <= set(wrong)
    assert all(one.problem and one.remedy for one in found.values())
    assert "tls.ca" in found["tls"].remedy
    assert found["refused"].problem.startswith("nothing listens at localhost:")
    assert PASSWORD not in str(found)


def test_a_missing_tls_file_is_named(good: BrokerSettings, tmp_path: Path) -> None:
    found = check_broker(replace(good, tls=Tls(ca=tmp_path / "none.pem")))

    assert found.reason == "tls"
    assert str(tmp_path / "none.pem") in found.problem


def test_a_broker_that_does_not_answer_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = check_broker(BrokerSettings("127.0.0.1", silent.getsockname()[1], ("#",)), timeout_s=0.2)

    assert found.reason == "timeout"


def test_what_is_no_broker_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        found = check_broker(BrokerSettings("127.0.0.1", server.getsockname()[1], ("#",)), timeout_s=2)
        answering.join()

    assert not found.is_ok


def test_the_check_takes_no_message_from_the_group(broker: Mosquitto) -> None:
    """A shared subscription of the check would be given messages that then nobody stores."""
    entry = BrokerSettings("127.0.0.1", broker.port, ("fault/checked",), group="ingest")
    with publisher(broker.port) as client:
        client.publish("fault/checked", "x", qos=1, retain=True).wait_for_publish(10)
        assert check_broker(entry).is_ok
        client.publish("fault/checked", "", qos=1, retain=True).wait_for_publish(10)


async def test_wrong_credentials_are_told_and_tried_again(
    good: BrokerSettings, take: Take, caplog: pytest.LogCaptureFixture
) -> None:
    taker = take(replace(good, password="wrong"))
    name = good.name

    await until(lambda: caplog.text.count("no connection to the broker") >= 2, "tried again")

    assert f'{name} does not let us in as "{USER}"' in caplog.text
    assert "wrong" not in caplog.text
    assert counted(metrics.broker_reconnects, name) >= 1
    assert not taker.connected()


async def test_a_broker_that_is_not_there_yet_is_subscribed_to_once_it_is(tmp_path: Path, take: Take) -> None:
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.port = free_port()
    taker = take(BrokerSettings("127.0.0.1", broker.port, ("fault/#",)))
    name = taker.brokers[0].name
    await until(lambda: counted(metrics.broker_errors, name, "refused") >= 1, "refused")

    broker.start()
    try:
        await until(taker.connected, "subscribed")
    finally:
        await taker.stop()
        broker.kill()
