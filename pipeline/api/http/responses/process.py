"""The processes themselves: who asks, who answers, and whether they are healthy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic wants this one before Python 3.12

from pipeline.api.http.responses.common import Time, one_of, shown
from pipeline.config.roles import Role


@shown(account="farm-7", role="write", tokens=True)
class Me(TypedDict):
    """The account and the role of a request."""

    account: Annotated[str, Field(description="the only one that is seen")]
    role: Annotated[str, one_of(*Role, description="what it may do")]
    tokens: Annotated[bool, Field(description="whether the server asks for a token")]


class Worker(TypedDict):
    """A worker."""

    worker: Annotated[str, Field(description="the address at which others reach it")]
    partitions: Annotated[list[int], Field(description="of the readings in the log that it owns")]


@shown(partitions=4, workers=[{"worker": "10.0.0.5:8080", "partitions": [0, 1]}])
class Workers(TypedDict):
    """The workers, and how many partitions there are, also those that nobody owns at the moment."""

    partitions: Annotated[int, Field(description="of the readings in the log")]
    workers: list[Worker]


class Finding(TypedDict):
    """What a check of the doctor found."""

    check: Annotated[str, Field(description="what was looked at, as `disk`")]
    level: Annotated[str, one_of("ok", "warn", "fail", description="warn: works, but is a risk")]
    what: Annotated[str, Field(description="what was found")]
    remedy: Annotated[str, Field(description="what to do about it; empty if all is well")]


_FINDING = {
    "check": "certificates",
    "level": "warn",
    "what": "http.tls.certificate: /etc/streamgauge/http.pem expires on 2026-12-01",
    "remedy": "renew it; see why its renewal did not",
}


@shown(findings=[_FINDING])
class Examined(TypedDict):
    """The findings of the doctor, in the order of its checks."""

    findings: list[Finding]


@shown(status="ok")
class Health(TypedDict):
    """The process answers."""

    status: Annotated[str, one_of("ok", description="always this")]


ClockStep = TypedDict(
    "ClockStep",
    {
        "from": Annotated[Time, Field(description="what it said")],
        "to": Annotated[Time, Field(description="what it showed then")],
        "by_seconds": Annotated[float, Field(description="below 0: it was set back")],
    },
)


class HostClock(TypedDict):
    """The host's clock, and how often it was set."""

    now: Annotated[Time, Field(description="what it says")]
    is_set: Annotated[bool, Field(description="whether it says a time at which this program existed")]
    steps: Annotated[int, Field(description="how often it was set since this worker started")]
    last_step: NotRequired[ClockStep]


@shown(
    status="ready",
    lag_seconds=0.0,
    frames_behind=0,
    partitions=[0],
    clock={"now": "2026-11-23T10:00:00Z", "is_set": True, "steps": 0},
)
class Readiness(TypedDict):
    """How far the stream is behind the log."""

    status: Annotated[str, one_of("ready", "catching up", description="whether queries are answered from fresh data")]
    lag_seconds: Annotated[float, Field(description="how long the oldest message has waited that is not applied")]
    frames_behind: Annotated[int, Field(description="frames of the log that are not applied")]
    partitions: Annotated[list[int], Field(description="of [readings], that are this worker's")]
    clock: NotRequired[HostClock]
