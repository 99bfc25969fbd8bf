"""Requests of Kafka's protocol that aiokafka lacks, written with its types.

Metadata v12: topics with their ids, which change when a topic is deleted and created again. DescribeLogDirs v1: the
size of partitions on disk. Source: Kafka's MetadataRequest.json, MetadataResponse.json, DescribeLogDirsRequest.json.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

NO_ID = "0" * 32


class Uuid(AbstractType[str]):
    """16 bytes, as 32 hexadecimal digits."""

    @classmethod
    def encode(cls, value: str) -> bytes:
        """The bytes."""
        return bytes.fromhex(value)

    @classmethod
    def decode(cls, data: BytesIO) -> str:
        """The digits."""
        return data.read(16).hex()


class MetadataResponseWithIds(Response):
    """Brokers and topics, each topic with its id."""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequestWithIds_v12(RequestStruct):  # noqa: N801  aiokafka's way of naming
    """See above."""

    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = MetadataResponseWithIds
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class MetadataRequestWithIds(Request[MetadataRequestWithIds_v12]):
    """Asks for topics by name."""

    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[MetadataRequestWithIds_v12]) -> MetadataRequestWithIds_v12:
        """The request."""
        return request_struct_class([(NO_ID, name, {}) for name in self._topics], False, False, {})


class DescribeLogDirsResponse_v1(Response):  # noqa: N801  aiokafka's way of naming
    """The content of each log folder of a broker."""

    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("name", String("utf-8")),
                        (
                            "partitions",
                            Array(
                                ("partition_index", Int32),
                                ("partition_size", Int64),
                                ("offset_lag", Int64),
                                ("is_future_key", Boolean),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


class DescribeLogDirsRequest_v1(RequestStruct):  # noqa: N801  aiokafka's way of naming
    """See above."""

    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = DescribeLogDirsResponse_v1
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


class DescribeLogDirsRequest(Request[DescribeLogDirsRequest_v1]):
    """Asks one broker for the sizes of partitions."""

    API_KEY = 35

    def __init__(self, topics: list[tuple[str, list[int]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[DescribeLogDirsRequest_v1]) -> DescribeLogDirsRequest_v1:
        """The request."""
        return request_struct_class(self._topics)


def sizes_in(response: Any) -> dict[tuple[str, int], int]:
    """Bytes on disk by (topic, partition), from the response of one broker."""
    return {
        (topic, partition): size_bytes
        for _, _, topics in response.results
        for topic, partitions in topics
        for partition, size_bytes, _, is_future in partitions
        if not is_future
    }
