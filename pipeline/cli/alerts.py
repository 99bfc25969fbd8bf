"""`streamgauge alerts [list|deliveries]`."""

from __future__ import annotations

import click

from pipeline.cli.asking import client, endpoint_option, format_option, given, in_pages, limit_option
from pipeline.cli.output import Listing, show

_ALERT = ("status", "since", "rule", "zone", "value", "measure", "dimensions", "id")
_DELIVERY = ("state", "queued", "receiver", "attempts", "next_attempt", "settled", "error", "id")


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
@limit_option(50)
@format_option()
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
    parameters = given(status=status, table=table, zone=zone)
    with client(context) as server:
        answer = in_pages(server, "v1", "alerts", parameters=parameters, key="alerts", limit=limit)
    rows = (tuple(alert[name] for name in _ALERT) for alert in answer["alerts"])
    show(Listing(_ALERT, rows, answer, "alerts"), form)


@alerts.command()
@click.option("--receiver", help="Only to this receiver.")
@click.option("--state", type=click.Choice(["queued", "delivered", "given_up"]))
@limit_option(50)
@format_option()
@endpoint_option
@click.pass_context
def deliveries(context: click.Context, receiver: str | None, state: str | None, limit: int, form: str) -> None:
    """What was sent to webhooks, newest first: how often it was tried, and what came of it."""
    parameters = given(receiver=receiver, state=state)
    with client(context) as server:
        answer = in_pages(server, "v1", "alerts", "deliveries", parameters=parameters, key="deliveries", limit=limit)
    rows = (tuple(entry[name] for name in _DELIVERY) for entry in answer["deliveries"])
    show(Listing(_DELIVERY, rows, answer, "deliveries"), form)
