"""What is published to a topic reaches its receiver, a webhook as SNS posts, signed; it hears of its account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from loopback_endpoint import answer, endpoint
from paho.mqtt import subscribe
from standardwebhooks import Webhook

from pipeline.alerting.receivers.sns_topics import SnsTopics
from pipeline.config.brokers import Broker
from pipeline.config.receivers import Receiver
from pipeline.config.sns_topics import SnsTopic
from tests.support.mosquitto import Mosquitto

ARN = "arn:aws:sns:eu-west-1:1:t"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = b'{"type": "AUTO_TRIGGER_SUCCESS"}'


def topics(port: int, **more: Any) -> SnsTopics:
    webhook = {"url": f"http://127.0.0.1:{port}/hook", "allow_private": True, "secret": SECRET}
    receiver = Receiver.model_validate({"name": "a", "webhook": webhook, **more})
    return SnsTopics([SnsTopic(arn=ARN, receiver="a")], [receiver])


async def test_a_message_has_the_form_of_sns_and_our_signature() -> None:
    async with endpoint() as hook:
        published = topics(hook.port)
        told = await published.publish(ARN, "m1", {"notificationType": "AUTO_TRIGGER_SUCCESS"}, MESSAGE)
        await published.close()
        (posted,) = hook.posted

    body = orjson.loads(posted.body)
    assert told is None
    assert (body["Type"], body["MessageId"], body["TopicArn"]) == ("Notification", "m1", ARN)
    assert body["Message"] == MESSAGE.decode()
    assert body["MessageAttributes"]["notificationType"] == {"Type": "String", "Value": "AUTO_TRIGGER_SUCCESS"}
    assert posted.headers["x-amz-sns-message-type"] == "Notification"
    assert posted.headers["x-amz-sns-topic-arn"] == ARN
    assert Webhook(SECRET).verify(posted.body, posted.headers) == body


OF_FAILURE = {"notificationType": "AUTO_TRIGGER_FAILURE", "queryArn": "arn:q"}


async def told_by(receiver: dict[str, Any], brokers: Sequence[Broker] = ()) -> str | None:
    published = SnsTopics([SnsTopic(arn=ARN, receiver="a")], [Receiver.model_validate(receiver)], brokers)
    try:
        return await published.publish(ARN, "m1", OF_FAILURE, MESSAGE)
    finally:
        await published.close()


async def test_an_alertmanager_gets_an_alert_named_as_the_notification() -> None:
    async with endpoint() as manager:
        url = f"http://127.0.0.1:{manager.port}"
        told = await told_by({"name": "a", "alertmanager": {"url": url, "allow_private": True}})
        (posted,) = manager.posted

    (alert,) = orjson.loads(posted.body)
    assert (told, posted.path) == (None, "/api/v2/alerts")
    assert alert["labels"] == {"alertname": "AUTO_TRIGGER_FAILURE", **OF_FAILURE}
    assert orjson.loads(alert["annotations"]["summary"]) == orjson.loads(MESSAGE)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
@pytest.mark.processes  # as in test_by_apprise
async def test_people_get_a_text_by_apprise() -> None:
    async with endpoint(answer(200), answer(500)) as ntfy:
        url = f"ntfy://127.0.0.1:{ntfy.port}/topic"
        receiver = {"name": "a", "apprise": {"url": url, "allow_private": True}}
        told = [await told_by(receiver), await told_by(receiver)]
        posted = ntfy.posted[0]

    assert (told[0], told[1] is None) == (None, False)
    assert b"AUTO_TRIGGER_SUCCESS" in posted.body


@pytest.mark.processes
async def test_a_broker_gets_the_form_of_sns_on_a_topic_of_the_query(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        mqtt = {"broker": broker.address, "topic": "queries/{{notificationType}}/{{queryArn}}", "retain": True}
        brokers = [Broker.model_validate({"url": f"mqtt://{broker.address}", "topics": ["x"]})]
        told = await told_by({"name": "a", "mqtt": mqtt}, brokers)
        got = await asyncio.to_thread(subscribe.simple, "queries/#", hostname="127.0.0.1", port=broker.port)

    assert (told, got.topic) == (None, "queries/AUTO_TRIGGER_FAILURE/arn:q")
    assert orjson.loads(got.payload)["MessageId"] == "m1"


async def test_what_is_not_accepted_is_told() -> None:
    async with endpoint(answer(500, body=b"no room")) as hook:
        published = topics(hook.port)
        told = await published.publish(ARN, "m1", {}, MESSAGE)
        other = await published.publish(f"{ARN}2", "m1", {}, MESSAGE)
        await published.close()

    assert told == "HTTP 500: no room"
    assert other == "sns_topics of the configuration has no such topic any more"


@pytest.mark.parametrize(("account", "leads"), [(None, True), ("farm-7", True), ("farm-8", False)])
def test_a_receiver_hears_of_its_account_only(account: str | None, leads: bool) -> None:
    published = topics(1, account=account)

    assert published.leads("farm-7", ARN) is leads
    assert not published.leads("farm-7", f"{ARN}2")
