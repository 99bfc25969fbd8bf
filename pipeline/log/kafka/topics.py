"""Our topics on Kafka: created if they are missing, and their actual state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateTopicsRequest

from pipeline.base.errors import LogError
from pipeline.log import topics
from pipeline.log.kafka.connection import as_log_error, client_arguments, unavailable
from pipeline.log.kafka.protocol import NO_ID, MetadataRequestWithIds
from pipeline.log.settings import MAX_MESSAGE_BYTES, LogSettings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05
_UNKNOWN_TOPIC = 3  # error code UNKNOWN_TOPIC_OR_PARTITION
_BROKER_DEFAULT = -1  # since Kafka 2.4
_QUORUM_OF_THREE = 2  # with three copies, a message is durable in two


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic on Kafka; its id changes when it is deleted and created again."""

    topic_id: str
    partitions: int
    replication: int


async def open_topics(settings: LogSettings) -> Mapping[str, TopicState]:
    """The state of our topics, by their bare names; missing ones are created. Raises LogError, LogUnavailable."""
    client = AIOKafkaAdminClient(**client_arguments(settings))
    try:
        async with asyncio.timeout(2 * settings.request_s):
            await client.start()
            return await ensure_topics(client, settings)
    except (KafkaError, OSError, TimeoutError) as error:
        raise as_log_error(settings, "describe the topics", error) from error
    finally:
        await client.close()


async def ensure_topics(client: AIOKafkaAdminClient, settings: LogSettings) -> Mapping[str, TopicState]:
    """As `open_topics`, with a connected client. Raises aiokafka's errors too."""
    found = await topic_states(client, settings)
    missing = [topic for topic in topics.ALL if topic not in found]
    if missing:
        await make_topics(client, settings, missing)
        while len(found) < len(topics.ALL):  # a new topic becomes known to one broker after another
            await asyncio.sleep(LOOK_EVERY_S)
            found = await topic_states(client, settings)
    for topic, state in found.items():
        wanted = settings.partitions_wanted(topic)
        if state.partitions != wanted:
            log.warning(
                "topic %s has %d partitions, not %d as the settings say; its own number counts",
                *(settings.kafka_topic(topic), state.partitions, wanted),
            )
    return found


async def topic_states(client: AIOKafkaAdminClient, settings: LogSettings) -> dict[str, TopicState]:
    """The existing topics that have leaders. Raises LogError and aiokafka's errors."""
    names = [settings.kafka_topic(topic) for topic in topics.ALL]
    try:
        answer: Any = await client._send_request(MetadataRequestWithIds(names))  # noqa: SLF001  it has no public way
    except (NotImplementedError, IncompatibleBrokerVersion):
        raise LogError(f"Kafka at {','.join(settings.servers)} is older than 2.8, whose topics have no ids") from None
    found = {}
    for code, name, topic_id, _, partitions, *_ in answer.topics:
        if code == _UNKNOWN_TOPIC:
            continue
        if code:
            raise for_code(code)(name)
        if topic_id == NO_ID:
            raise LogError(f"topic {name} has no id: the brokers run with a metadata version before 2.8")
        if partitions and all(leader >= 0 for _, _, leader, *_ in partitions):
            replication = min(len(replicas) for _, _, _, _, replicas, *_ in partitions)
            found[settings.bare_topic(name)] = TopicState(topic_id, len(partitions), replication)
    return found


def configuration(settings: LogSettings, topic: str) -> dict[str, str]:
    """The configuration for a new topic."""
    retention = settings.retention[topic]
    chosen = {
        "retention.ms": str(int(retention.time_s * 1000)),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "cleanup.policy": "delete",
    }
    if retention.size_bytes is not None:
        chosen["retention.bytes"] = str(retention.size_bytes)
    if settings.replication is not None and settings.replication > _QUORUM_OF_THREE:
        chosen["min.insync.replicas"] = str(_QUORUM_OF_THREE)
    return chosen


async def make_topics(
    client: AIOKafkaAdminClient, settings: LogSettings, missing: list[str], *, only_ask: bool = False
) -> None:
    """Create these topics, or only ask whether they can be created. Raises LogError if not, and aiokafka's errors."""
    replication = _BROKER_DEFAULT if settings.replication is None else settings.replication
    wanted: list[Any] = [
        (
            settings.kafka_topic(topic),
            settings.partitions_wanted(topic),
            replication,
            [],
            list(configuration(settings, topic).items()),
        )
        for topic in missing
    ]
    # aiokafka's NewTopic does not support the brokers' default
    request = CreateTopicsRequest(wanted, int(settings.request_s * 1000), validate_only=only_ask)
    answer: Any = await client._send_to_controller(request)  # noqa: SLF001  as above
    for name, code, message, *_ in answer.topic_errors:
        error = for_code(code)
        if not code or error is TopicAlreadyExistsError:  # another process was quicker
            continue
        if error.retriable:
            raise unavailable(settings, f"make the topic {name}", error(message))
        raise LogError(f"Kafka refused to make the topic {name}: {message or error.__name__}")
