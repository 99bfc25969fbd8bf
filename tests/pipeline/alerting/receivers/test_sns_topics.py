"""What is published to a topic is posted to its webhook as SNS posts, signed; a receiver hears of its account."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from loopback_endpoint import answer, endpoint
from standardwebhooks import Webhook

from pipeline.alerting.receivers.sns_topics import SnsTopics
from pipeline.config.receivers import Receiver
from pipeline.config.sns_topics import SnsTopic

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
