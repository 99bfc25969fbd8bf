"""`streamgauge alerts show|ack|unack|feedback|silence|silences|unsilence`."""

from __future__ import annotations

import getpass

import click

from pipeline.operations.cli.asking import client, list_options, server_options
from pipeline.operations.cli.output import Listing, note, print_text, show

_SHOWN = ("status", "since", "rule", "table", "zone", "value", "dimensions", "labels", "annotations")
_TRANSITION = ("time", "kind", "value", "muted", "by", "why", "until", "verdict")
_SILENCE = ("is_active", "from", "to", "every", "matchers", "by", "why", "id")

_by = click.option("--by", default=getpass.getuser, show_default="your user name", help="Who.")


@click.command("show", short_help="One alert, and all that happened to it.")
@click.argument("alert", metavar="ID")
@list_options
def show_alert(context: click.Context, alert: str, form: str) -> None:
    """One alert, and all that happened to it."""
    with client(context) as server:
        answer = server.get("v1", "alerts", alert)
    if form == "table":
        found = answer["alert"]
        names = (*_SHOWN, *(name for name in ("reason", "muted", "acknowledged") if found.get(name)))
        print_text("\n".join(f"{name}: {found[name]}" for name in names) + "\n")
    rows = (tuple(one[name] for name in _TRANSITION) for one in answer["transitions"])
    show(Listing(_TRANSITION, rows, answer, "transitions"), form)


@click.command(short_help="Acknowledge an alert.")
@click.argument("alert", metavar="ID")
@click.option("--why", required=True, help="The reason, or what you do about it.")
@click.option("--until", metavar="TIME", help="RFC 3339, or a duration as 2h. [default: until it resolves]")
@_by
@server_options
def ack(context: click.Context, alert: str, why: str, until: str | None, by: str) -> None:
    """Acknowledge an alert: nobody is told of it again until it resolves, its severity changes, or the time is over."""
    with client(context) as server:
        server.post("v1", "alerts", alert, "ack", body={"by": by, "why": why, "until": until})
    note(f"{alert} is acknowledged; `streamgauge alerts unack {alert}` takes that back")


@click.command(short_help="Take an acknowledgement back.")
@click.argument("alert", metavar="ID")
@_by
@server_options
def unack(context: click.Context, alert: str, by: str) -> None:
    """Take an acknowledgement back."""
    with client(context) as server:
        server.post("v1", "alerts", alert, "unack", body={"by": by})
    note(f"{alert} is not acknowledged any more")


@click.command(short_help="Say whether an alert was false or right.")
@click.argument("alert", metavar="ID")
@click.option("--false", "verdict", flag_value="false", help="It was no anomaly, or nothing that matters.")
@click.option("--right", "verdict", flag_value="right", help="It was right to tell.")
@click.option("--comment", default="", help="Why, or what it was.")
@_by
@server_options
def feedback(context: click.Context, alert: str, verdict: str | None, comment: str, by: str) -> None:
    """Say whether an alert was false or right. Of a rule of the kind `detector` the bound of its zone follows."""
    if verdict is None:
        raise click.UsageError("say --false or --right")
    with client(context) as server:
        server.post("v1", "alerts", alert, "feedback", body={"verdict": verdict, "by": by, "comment": comment})
    note(f"{alert} is marked as {verdict}")


@click.command(short_help="Silence alerts.")
@click.argument("matchers", metavar="MATCHER…", nargs=-1, required=True)
@click.option("--why", required=True, help="The reason.")
@click.option("--from", "start", metavar="TIME", help="RFC 3339, or a duration from now. [default: now]")
@click.option("--to", metavar="TIME", help="RFC 3339, or a duration from now, as 2h. [default: until it is ended]")
@click.option("--days", help="Only on these days of the week, as sat,sun.")
@click.option("--hours", help="Only in these hours, as 22:00-06:00.")
@click.option("--time-zone", help="Of these hours, as Europe/Berlin. [default: UTC]")
@_by
@server_options
def silence(
    context: click.Context,
    matchers: tuple[str, ...],
    why: str,
    start: str | None,
    to: str | None,
    days: str | None,
    hours: str | None,
    time_zone: str | None,
    by: str,
) -> None:
    """Silence the alerts that all of these matchers match, as 'zone_name="gh-01/north"' 'severity!=critical'."""
    wish = {"matchers": list(matchers), "from": start, "to": to, "by": by, "why": why}
    begin, _, end = (hours or "").partition("-")
    given = {"days": None if days is None else days.split(","), "from": begin, "to": end, "time_zone": time_zone}
    every = {name: value for name, value in given.items() if value}
    with client(context) as server:
        made = server.post("v1", "silences", body=wish | ({"every": every} if every else {})).json()
    print_text(made["id"])


@click.command(short_help="End a silence.")
@click.argument("silence", metavar="ID")
@server_options
def unsilence(context: click.Context, silence: str) -> None:
    """End a silence now; what still fires is told."""
    with client(context) as server:
        server.post("v1", "silences", silence, "end", body={})
    note(f"{silence} has ended")


@click.command(short_help="Silences, and those of the configuration.")
@click.option("--ended", is_flag=True, help="Also those that have ended.")
@list_options
def silences(context: click.Context, form: str, *, ended: bool) -> None:
    """Silences, and those of the configuration."""
    with client(context) as server:
        answer = server.get("v1", "silences", parameters=[("ended", "true")] if ended else [])
    rows = (tuple(one[name] for name in _SILENCE) for one in answer["silences"])
    show(Listing(_SILENCE, rows, answer, "silences"), form)


COMMANDS = (show_alert, ack, unack, feedback, silence, silences, unsilence)
