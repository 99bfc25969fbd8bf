"""`streamgauge dead-letters list|show|replay`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from pipeline.operations.cli.asking import (
    PAGE_MAX,
    client,
    given,
    in_pages,
    limit_option,
    list_options,
    server_options,
    waiting,
)
from pipeline.operations.cli.output import Listing, print_json, print_text, show
from pipeline.operations.client import Client

_LETTER = ("id", "arrival", "reason", "mqtt_topic", "detail", "replayed")


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not become records: list them, look at one, put them through again."""


@dead_letters.command("list")
@click.option("--reason", help="Only of this reason, as in `invalid_json`.")
@click.option("--mqtt-topic", help="Only from this MQTT topic.")
@click.option("--from", "start", metavar="TIME", help="Arrived since: RFC 3339, or how long ago.")
@limit_option(50)
@list_options
def list_letters(
    context: click.Context, reason: str | None, mqtt_topic: str | None, start: str | None, limit: int, form: str
) -> None:
    """Dead letters, newest first."""
    parameters = given(reason=reason, mqtt_topic=mqtt_topic, from_=start)
    with client(context) as server:
        answer = in_pages(server, "v1", "dead-letters", parameters=parameters, key="dead_letters", limit=limit)
    rows = (tuple(letter[name] for name in _LETTER) for letter in answer["dead_letters"])
    show(Listing(_LETTER, rows, answer, "dead letters"), form)


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@server_options
def show_letter(context: click.Context, letter_id: str) -> None:
    """One dead letter with its payload."""
    with client(context) as server:
        print_json(server.get("v1", "dead-letters", letter_id))


@dead_letters.command(short_help="Replay dead letters.")
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option("--reason", help="All of this reason that were not replayed yet, instead of naming ids.")
@server_options
def replay(context: click.Context, ids: tuple[str, ...], reason: str | None) -> None:
    """Replay dead letters, oldest first, with their first arrival stamp.

    Those that were too_far_ahead or too_late are judged as if they came now: the host's clock may have been wrong.
    What fails again becomes a new dead letter, which this call leaves alone.
    """
    if bool(ids) == bool(reason):
        raise click.UsageError("name either ids or --reason")
    replayed = 0
    with client(context) as server, waiting("replaying"):
        for answer in _of_reason(server, reason) if reason else _of_ids(server, ids):
            replayed += answer["replayed"]
    print_text(f"replayed {replayed}")


def _of_ids(server: Client, ids: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for first in range(0, len(ids), PAGE_MAX):
        body = {"ids": list(ids[first : first + PAGE_MAX])}
        yield server.post("v1", "dead-letters", "replay", body=body).json()


def _of_reason(server: Client, reason: str) -> Iterator[dict[str, Any]]:
    """Replay all letters that exist at the beginning; letters that fail again come after them."""
    body: dict[str, object] = {"reason": reason}
    while True:
        answer = server.post("v1", "dead-letters", "replay", body=body).json()
        yield answer
        if not answer["more"]:
            return
        body["up_to"] = answer["up_to"]
