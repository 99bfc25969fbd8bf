"""Messages about scheduled queries: one for whatever happens, tried until it is accepted, for a day."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from scheduled_requests import MINUTE_NS, TOPIC, request_of, run_due
from timestream_service import Service

from store.endpoint.scheduled.messenger import GIVE_UP_NS


class Heard:
    """Topics that lead here; `answers` first, one for each message, then all are accepted."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)
        self.messages: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []

    def leads(self, account: str, arn: str) -> bool:
        return bool(account) and arn == TOPIC

    async def publish(self, arn: str, message_id: str, attributes: Mapping[str, str], message: bytes) -> str | None:
        assert arn == TOPIC
        self.messages.append((message_id, attributes, json.loads(message)))
        told = self.answers.pop(0) if self.answers else None
        if isinstance(told, Exception):
            raise told
        return told

    async def close(self) -> None:
        pass


def hear(service: Service, *answers: str | Exception | None) -> Heard:
    heard = Heard(*answers)
    service.endpoint._topics = heard
    return heard


def publish(service: Service) -> None:
    asyncio.run(service.endpoint.messenger().publish_due())


@pytest.mark.usefixtures("made")
def test_whatever_happens_to_a_query_is_told(service: Service, query: Any) -> None:
    heard = hear(service)
    arn = query.create_scheduled_query(**request_of())["Arn"]
    service.clock.now_ns += MINUTE_NS
    run_due(service)
    query.execute_scheduled_query(
        ScheduledQueryArn=arn, InvocationTime=1_790_000_000, QueryInsights={"Mode": "ENABLED_WITH_RATE_CONTROL"}
    )
    run_due(service)
    query.update_scheduled_query(ScheduledQueryArn=arn, State="DISABLED")
    query.delete_scheduled_query(ScheduledQueryArn=arn)
    publish(service)
    publish(service)

    kinds = [content["type"] for _, _, content in heard.messages]
    assert kinds == [
        "SCHEDULED_QUERY_CREATING",
        "AUTO_TRIGGER_SUCCESS",
        "MANUAL_TRIGGER_SUCCESS",
        "SCHEDULED_QUERY_UPDATE",
        "SCHEDULED_QUERY_DELETED",
    ]
    for _, attributes, content in heard.messages:
        assert attributes == {"notificationType": content["type"], "queryArn": arn}
        assert content["arn"] == arn
    (_, _, auto), (_, _, manual), (_, _, update) = heard.messages[1:4]
    assert auto["nextInvocationEpochSecond"] == 1_790_000_120
    summary = auto["scheduledQueryRunSummary"]
    assert summary["invocationEpochSecond"] == 1_790_000_060
    assert (summary["runStatus"], summary["executionStats"]["recordsIngested"]) == ("AUTO_TRIGGER_SUCCESS", 1)
    assert manual["scheduledQueryRunSummary"]["queryInsightsResponse"]["queryTableCount"] == 1
    assert update["state"] == "DISABLED"


@pytest.mark.usefixtures("made")
def test_what_is_not_accepted_is_tried_again_for_a_day(service: Service, query: Any) -> None:
    heard = hear(service, "HTTP 500", KeyError("a bug"), "HTTP 500")
    query.create_scheduled_query(**request_of())

    for later_ns in (0, 0, 3_000_000_000, 1_000_000_000, 4_000_000_000, GIVE_UP_NS, MINUTE_NS):
        service.clock.now_ns += later_ns
        publish(service)

    assert len(heard.messages) == 4
    assert len({message_id for message_id, _, _ in heard.messages}) == 1


@pytest.mark.usefixtures("made")
def test_a_message_is_given_up_after_a_day(service: Service, query: Any) -> None:
    heard = hear(service, *["HTTP 500"] * 5)
    query.create_scheduled_query(**request_of())

    for later_ns in (0, GIVE_UP_NS + 1, GIVE_UP_NS):
        service.clock.now_ns += later_ns
        publish(service)

    assert len(heard.messages) == 2


@pytest.mark.usefixtures("made")
def test_a_topic_that_leads_nowhere_has_no_messages(service: Service, query: Any) -> None:
    heard = hear(service)
    topic = {"SnsConfiguration": {"TopicArn": "arn:aws:sns:eu-west-1:1:another"}}
    query.create_scheduled_query(**request_of(NotificationConfiguration=topic))
    publish(service)

    assert heard.messages == []
