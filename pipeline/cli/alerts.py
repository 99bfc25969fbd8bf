"""`streamgauge alerts [list|deliveries]`."""

from __future__ import annotations

import click

from pipeline.cli.asking import client, endpoint_option, format_option
from pipeline.cli.output import print_json, print_rows

_limit = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)


@click.group(invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Alerts, and their deliveries to webhooks. Without a word more: `list`."""
    if context.invoked_subcommand is None:
        context.invoke(list_alerts)


@alerts.command("list")
@click.option("--status", type=click.Choice(["firing", "resolved"]))
@click.option("--table", help="Only this database.table.")
@click.option("--zone", help="Only this zone.")
@_limit
@format_option("table", "json")
@endpoint_option
@click.pass_context
def list_alerts(
    context: click.Context,
    status: str | None,
    table: str | None,
    zone: str | None,
    limit: int = 50,
    form: str = "table",
) -> None:
    """Alerts, newest first."""
    options = {"status": status, "table": table, "zone": zone, "limit": str(limit)}
    with client(context) as server:
        answer = server.get("v1", "alerts", parameters=[(k, v) for k, v in options.items() if v is not None])
    if form == "json":
        print_json(answer)
        return
    names = ("status", "since", "rule", "zone", "value", "measure", "dimensions", "id")
    print_rows(names, (tuple(alert[name] for name in names) for alert in answer["alerts"]))


@alerts.command()
@click.option("--receiver", help="Only to this receiver.")
@click.option("--state", type=click.Choice(["queued", "delivered", "given_up"]))
@_limit
@format_option("table", "json")
@endpoint_option
@click.pass_context
def deliveries(context: click.Context, receiver: str | None, state: str | None, limit: int, form: str) -> None:
    """What was sent to webhooks, newest first: how often it was tried, and what came of it."""
    options = {"receiver": receiver, "state": state, "limit": str(limit)}
    with client(context) as server:
        parameters = [(name, value) for name, value in options.items() if value is not None]
        answer = server.get("v1", "alerts", "deliveries", parameters=parameters)
    if form == "json":
        print_json(answer)
        return
    names = ("state", "queued", "receiver", "attempts", "next_attempt", "settled", "error", "id")
    print_rows(names, (tuple(entry[name] for name in names) for entry in answer["deliveries"]))
