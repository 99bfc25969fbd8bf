"""`streamgauge dead-letters list|show|replay`."""

from __future__ import annotations

import click

from pipeline.cli.asking import client, endpoint_option, format_option
from pipeline.cli.output import print_json, print_rows


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not become records: list them, look at one, put them through again."""


@dead_letters.command("list")
@click.option("--reason", help="Only of this reason, as in `invalid_json`.")
@click.option("--mqtt-topic", help="Only from this MQTT topic.")
@click.option("--from", "start", help="Arrived since: RFC 3339, or how long ago.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@format_option("table", "json")
@endpoint_option
@click.pass_context
def list_letters(
    context: click.Context, reason: str | None, mqtt_topic: str | None, start: str | None, limit: int, form: str
) -> None:
    """Dead letters, newest first."""
    options = {"reason": reason, "mqtt_topic": mqtt_topic, "from": start, "limit": str(limit)}
    with client(context) as server:
        answer = server.get("v1", "dead-letters", parameters=[(k, v) for k, v in options.items() if v is not None])
    if form == "json":
        print_json(answer)
        return
    names = ("id", "arrival", "reason", "mqtt_topic", "detail", "replayed")
    print_rows(names, (tuple(letter[name] for name in names) for letter in answer["dead_letters"]))


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@endpoint_option
@click.pass_context
def show(context: click.Context, letter_id: str) -> None:
    """One dead letter with its payload."""
    with client(context) as server:
        print_json(server.get("v1", "dead-letters", letter_id))


@dead_letters.command()
@click.argument("ids", nargs=-1, metavar="[ID…]")
@click.option("--reason", help="All of this reason that were not replayed yet, instead of naming ids.")
@endpoint_option
@click.pass_context
def replay(context: click.Context, ids: tuple[str, ...], reason: str | None) -> None:
    """Put dead letters through the stream again, with their first arrival stamp.

    What fails again becomes a new dead letter.
    """
    if bool(ids) == bool(reason):
        raise click.UsageError("name either ids or --reason")
    replayed, more = 0, True
    with client(context) as server:
        while more:
            body = {"ids": list(ids)} if ids else {"reason": reason}
            answer = server.post("v1", "dead-letters", "replay", body=body).json()
            replayed, more = replayed + answer["replayed"], answer["more"]
    click.echo(f"replayed {replayed}")
