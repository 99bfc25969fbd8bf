"""`/v1/dead-letters`: messages that could not become records, and their replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from pipeline.alerting.archive.dead_letters import ArchivedLetter
from pipeline.api.http import responses
from pipeline.api.http.credentials import Who
from pipeline.api.http.openapi import OF_BODIES, answers
from pipeline.api.http.problems import Problem, bad_parameter
from pipeline.api.http.services import Services, account, services, who
from pipeline.api.http.showing import shown_payload
from pipeline.api.http.times import time_ns
from pipeline.base.arrival import ArrivalStamps
from pipeline.config.roles import Role
from pipeline.log.dead_letter import DeadLetter, Reason, encode_replayed
from pipeline.log.frame import FrameKind, encode_frame
from pipeline.log.topics import DEAD_LETTERS, READINGS
from store.values.times import rfc3339

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

Parts = Annotated[Services, Depends(services)]
Account = Annotated[str, Depends(account)]
MAX_REPLAYED = 1000
_BY_ARRIVAL = frozenset({Reason.TOO_FAR_AHEAD, Reason.TOO_LATE})


@router.get("", summary="Messages that could not become records, newest first", **answers(responses.DeadLetters))
def dead_letters(
    parts: Parts,
    account: Account,
    reason: str | None = None,
    mqtt_topic: str | None = None,
    start: Annotated[str | None, Query(alias="from", description="arrived at or after")] = None,
    to: Annotated[str | None, Query(description="arrived before")] = None,
    replayed: bool | None = None,
    before: Annotated[int | None, Query(ge=0, lt=2**63, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> responses.DeadLetters:
    """Payloads are given as text where they are UTF-8, else as base64."""
    if reason is not None and reason not in set(Reason):
        raise bad_parameter("reason", reason, f"one of {', '.join(Reason)}")
    now_ns = parts.clock_ns()
    found = parts.dead_letters.list(
        account=account,
        reason=reason,
        mqtt_topic=mqtt_topic,
        from_ns=None if start is None else time_ns("from", start, now_ns),
        to_ns=None if to is None else time_ns("to", to, now_ns),
        is_replayed=replayed,
        before_seq=before,
        limit=limit,
    )
    return {"dead_letters": [_shown(entry) for entry in found], "next": found[-1].seq if len(found) == limit else None}


@router.get("/{letter_id}", summary="One dead letter", **answers(responses.DeadLetter, 404))
def dead_letter(parts: Parts, account: Account, letter_id: str) -> responses.DeadLetter:
    """By its id."""
    return _shown(_find(parts, account, letter_id, "letter_id"))


class Replay(BaseModel):
    """Which dead letters go through the stream again: these, or all of a reason that were not yet replayed."""

    model_config = ConfigDict(extra="forbid")
    ids: list[str] | None = Field(None, max_length=MAX_REPLAYED)
    reason: Reason | None = None
    up_to: int | None = Field(None, ge=0, lt=2**63, description="`up_to` of the answer before")


@router.post("/replay", summary="Replay dead letters", **answers(responses.Replayed, 403, 404, *OF_BODIES))
async def replay(parts: Parts, who: Annotated[Who, Depends(who)], body: Replay) -> responses.Replayed:
    """They go through [readings] with their first arrival stamp; what fails again is a new dead letter.

    Letters that were rejected because their time is too far from their arrival are judged as if they arrived now,
    because the host's clock may have been wrong.

    Those of a reason go oldest first, at most 1,000 a request; `more` says whether others are left, and a next request
    with `up_to` of the answer takes those alone, and not what has failed again since.
    """
    who.need(Role.WRITE, "a replay")
    account = who.account
    if (body.ids is None) == (body.reason is None):
        raise Problem(400, "name either ids or a reason", parameter="ids")
    up_to = body.up_to
    if body.reason is None:
        named = [_find(parts, account, letter_id, "ids") for letter_id in dict.fromkeys(body.ids or ())]
        letters = [entry.letter for entry in sorted(named, key=lambda entry: entry.seq)]
    else:
        found, up_to = parts.dead_letters.not_replayed(
            account=account, reason=body.reason, limit=MAX_REPLAYED, up_to_seq=body.up_to
        )
        letters = [entry.letter for entry in found]
    cut = next((letter.id for letter in letters if letter.reason is Reason.TOO_LARGE), None)
    if cut is not None:
        raise Problem(
            400,
            f"the dead letter {cut!r} is too_large: its head alone is kept, which is no message to replay",
            parameter="ids" if body.ids else "reason",
        )
    if letters:
        by_partition: dict[int, list[DeadLetter]] = {}
        for letter in letters:
            by_partition.setdefault(parts.partition_of(letter.account, letter.mqtt_topic), []).append(letter)
        for partition, of in by_partition.items():
            for frame in _frames(of, parts.stamps):
                await parts.appender.append(READINGS, frame, partition)
        ids, now_ns = [letter.id for letter in letters], parts.clock_ns()
        parts.dead_letters.mark_replayed(ids, now_ns)
        await parts.appender.append(DEAD_LETTERS, encode_replayed(ids, now_ns), 0)
    more = body.reason is not None and len(letters) == MAX_REPLAYED
    return {"replayed": len(letters), "more": more, "up_to": up_to}


def _frames(letters: Sequence[DeadLetter], stamps: ArrivalStamps) -> list[bytes]:
    """A frame of letters that keep their stamps, and one of letters that get new ones, unless empty."""
    again = [letter for letter in letters if letter.reason not in _BY_ARRIVAL]
    anew = [letter for letter in letters if letter.reason in _BY_ARRIVAL]
    frames = [_frame(FrameKind.MQTT_AGAIN, again, [letter.arrival_ns for letter in again])] if again else []
    if anew:
        frames.append(_frame(FrameKind.MQTT, anew, [stamps.take() for _ in anew]))
    return frames


def _frame(kind: FrameKind, letters: Sequence[DeadLetter], stamps: list[int]) -> bytes:
    return encode_frame(
        kind,
        stamps,
        [letter.account for letter in letters],
        [letter.mqtt_topic for letter in letters],
        [letter.payload for letter in letters],
    )


def _find(parts: Services, account: str, letter_id: str, parameter: str) -> ArchivedLetter:
    found = parts.dead_letters.show(letter_id, account=account)
    if found is None:
        raise Problem(404, f"no dead letter {letter_id!r}; they are kept 7 days or 256 MiB", parameter=parameter)
    return found


def _shown(entry: ArchivedLetter) -> responses.DeadLetter:
    letter = entry.letter
    return {
        "id": letter.id,
        "mqtt_topic": letter.mqtt_topic,
        "reason": letter.reason.value,
        "detail": letter.detail,
        "arrival": rfc3339(letter.arrival_ns),
        "replayed": None if entry.replayed_ns is None else rfc3339(entry.replayed_ns),
        **shown_payload(letter.payload),
    }
