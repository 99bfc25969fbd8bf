"""The section `sns_topics`: who is told of scheduled queries, by the ARNs that Timestream's clients name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.config.receivers import Receiver
from pipeline.config.tables import Section
from store.values.yaml_text import Problem

_ARN = re.compile(r"arn:[^:]+:sns:[^:]*:[^:]*:[^:]+")


def _check_arn(arn: str) -> str:
    if not _ARN.fullmatch(arn):
        raise ValueError(f"{arn!r} is not the ARN of a topic; write arn:aws:sns:<region>:<account number>:<name>")
    return arn


class SnsTopic(Section):
    """A topic, and the receiver that gets what is published to it."""

    arn: Annotated[str, AfterValidator(_check_arn)] = Field(description="as clients write it")
    receiver: str = Field(min_length=1, description="the name of one of receivers")


def topic_problems(topics: Sequence[SnsTopic], receivers: Sequence[Receiver]) -> list[Problem]:
    """Topics whose receiver is not listed."""
    listed = [receiver.name for receiver in receivers]
    return [
        Problem(
            ("sns_topics", index, "receiver"),
            f'"{topic.receiver}" is not one of receivers; listed: {", ".join(listed) or "none"}',
        )
        for index, topic in enumerate(topics)
        if topic.receiver not in listed
    ]
