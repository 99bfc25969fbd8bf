"""What scheduled queries publish to SNS topics: posted to the webhooks that `sns_topics` names, in the form of SNS.

That is the form in which SNS posts to HTTP endpoints, except that the signature is that of our webhooks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import orjson

from pipeline.alerting.receivers.http import HttpNotifier, trust_of
from pipeline.alerting.receivers.transport import resolve
from pipeline.config.receivers import Receiver
from pipeline.config.sns_topics import SnsTopic
from store.values.times import rfc3339

CONTENT_TYPE = "text/plain; charset=UTF-8"  # as SNS


class SnsTopics:
    """The topics of the configuration. One event loop."""

    def __init__(self, topics: Sequence[SnsTopic], receivers: Sequence[Receiver]) -> None:
        by_name = {receiver.name: receiver for receiver in receivers}
        self._receivers = {topic.arn: by_name[topic.receiver] for topic in topics}
        self._notifiers: dict[str, HttpNotifier] = {}

    def leads(self, account: str, arn: str) -> bool:
        """Whether somebody is told of what this account publishes to a topic."""
        receiver = self._receivers.get(arn)
        return receiver is not None and receiver.account in {None, account}

    async def publish(self, arn: str, message_id: str, attributes: Mapping[str, str], message: bytes) -> str | None:
        """Post a message; None if it was accepted, else what went wrong, without secrets."""
        if arn not in self._receivers:
            return "sns_topics of the configuration has no such topic any more"
        body = orjson.dumps(
            {
                "Type": "Notification",
                "MessageId": message_id,
                "TopicArn": arn,
                "Message": message.decode(),
                "Timestamp": rfc3339(time.time_ns(), 3),
                "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
            }
        )
        headers = {"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": message_id}
        attempt = await self._notifier(arn).post(
            message_id, body, CONTENT_TYPE, {**headers, "x-amz-sns-topic-arn": arn}
        )
        is_accepted = attempt.status is not None and 200 <= attempt.status < 300
        return None if is_accepted else attempt.answer

    async def close(self) -> None:
        """Close the connections."""
        for notifier in self._notifiers.values():
            await notifier.close()
        self._notifiers.clear()

    def _notifier(self, arn: str) -> HttpNotifier:
        if arn not in self._notifiers:
            receiver = self._receivers[arn]
            assert receiver.webhook is not None
            trust = trust_of(receiver, receiver.webhook)
            self._notifiers[arn] = HttpNotifier(
                receiver, receiver.webhook, wall_ns=time.time_ns, ssl_context=trust, resolve=resolve
            )
        return self._notifiers[arn]
