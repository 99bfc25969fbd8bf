"""What scheduled queries publish to SNS topics: sent to the receivers that `sns_topics` names.

A webhook is posted to, and a broker gets, the form in which SNS posts to HTTP endpoints, except that the signature is
that of our webhooks. People get the message as a text, and an Alertmanager an alert.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import orjson

from pipeline.alerting.receivers.kinds import notifier_of
from pipeline.alerting.receivers.notifier import Notice, Notifier
from pipeline.alerting.receivers.retry_policy import Accepted
from pipeline.config.brokers import Broker
from pipeline.config.receivers import Receiver
from pipeline.config.sns_topics import SnsTopic
from store.values.times import rfc3339

CONTENT_TYPE = "text/plain; charset=UTF-8"  # as SNS


class SnsTopics:
    """The topics of the configuration. One event loop."""

    def __init__(
        self, topics: Sequence[SnsTopic], receivers: Sequence[Receiver], brokers: Sequence[Broker] = ()
    ) -> None:
        by_name = {receiver.name: receiver for receiver in receivers}
        self._receivers = {topic.arn: by_name[topic.receiver] for topic in topics}
        self._brokers = brokers
        self._notifiers: dict[str, Notifier] = {}

    def leads(self, account: str, arn: str) -> bool:
        """Whether somebody is told of what this account publishes to a topic."""
        receiver = self._receivers.get(arn)
        return receiver is not None and receiver.account in {None, account}

    async def publish(self, arn: str, message_id: str, attributes: Mapping[str, str], message: bytes) -> str | None:
        """Send a message; None if it was accepted, else what went wrong, without secrets."""
        if arn not in self._receivers:
            return "sns_topics of the configuration has no such topic any more"
        attempt = await self._notifier(arn).tell(_notice(arn, message_id, attributes, message))
        if isinstance(attempt, Accepted) or (attempt.status is not None and 200 <= attempt.status < 300):
            return None
        return attempt.answer

    async def close(self) -> None:
        """Close the connections."""
        for notifier in self._notifiers.values():
            await notifier.close()
        self._notifiers.clear()

    def _notifier(self, arn: str) -> Notifier:
        if arn not in self._notifiers:
            self._notifiers[arn] = notifier_of(self._receivers[arn], self._brokers, wall_ns=time.time_ns)
        return self._notifiers[arn]


def _notice(arn: str, message_id: str, attributes: Mapping[str, str], message: bytes) -> Notice:
    body = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": arn,
        "Message": message.decode(),
        "Timestamp": rfc3339(time.time_ns(), 3),
        "MessageAttributes": {name: {"Type": "String", "Value": value} for name, value in attributes.items()},
    }
    headers = {
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": arn,
    }
    kind = attributes.get("notificationType", "Notification")
    text = orjson.dumps(orjson.loads(message), option=orjson.OPT_INDENT_2).decode()
    is_failure = kind.endswith("FAILURE")
    return Notice(message_id, kind, text, orjson.dumps(body), CONTENT_TYPE, headers, attributes, is_failure)
