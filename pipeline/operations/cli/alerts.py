"""`streamgauge alerts [list|deliveries|retry]`."""

from __future__ import annotations

import click

from pipeline.operations.cli.asking import client, given, in_pages, limit_option, list_options, server_options
from pipeline.operations.cli.output import Listing, show

_ALERT = ("status", "since", "rule", "zone", "value", "measure", "dimensions", "id")
_DELIVERY = ("state", "queued", "receiver", "attempts", "next_attempt", "settled", "error", "id")


@click.group(invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Alerts, and their deliveries to webhooks. Without a word more: `list`."""
    if context.invoked_subcommand is None:
        context.invoke(list_alerts)


@alerts.command("list")
@click.option("--status", type=click.Choice(["firing", "resolved"]), help="Only of this status.")
@click.option("--table", help="Only this database.table.")
@click.option("--zone", help="Only this zone.")
@limit_option(50)
@list_options
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


@alerts.group(invoke_without_command=True, short_help="Deliveries to webhooks, newest first.")
@click.option("--receiver", help="Only to this receiver.")
@click.option("--state", type=click.Choice(["queued", "delivered", "given_up"]), help="Only in this state.")
@limit_option(50)
@list_options
def deliveries(context: click.Context, receiver: str | None, state: str | None, limit: int, form: str) -> None:
    """Deliveries to webhooks, newest first: how often it was tried, and what came of it."""
    if context.invoked_subcommand is not None:
        return
    parameters = given(receiver=receiver, state=state)
    with client(context) as server:
        answer = in_pages(server, "v1", "alerts", "deliveries", parameters=parameters, key="deliveries", limit=limit)
    rows = (tuple(entry[name] for name in _DELIVERY) for entry in answer["deliveries"])
    show(Listing(_DELIVERY, rows, answer, "deliveries"), form)


@alerts.command(short_help="Try failed deliveries again, now.")
@click.argument("delivery", metavar="[ID]", required=False)
@click.option("--all-failed", is_flag=True, help="All that were given up or failed so far.")
@click.option("--receiver", help="Only to this receiver.")
@server_options
def retry(context: click.Context, delivery: str | None, *, all_failed: bool, receiver: str | None) -> None:
    """Try failed deliveries again, now and for another day: that with this ID (as `deliveries` lists them; an alert's
    own ID means all of its deliveries), or --all-failed.
    """
    if (delivery is None) != all_failed:
        raise click.UsageError("name either the ID of a delivery or --all-failed")
    wish = {"id": delivery, "all_failed": all_failed, "receiver": receiver}
    with client(context) as server:
        answer = server.post("v1", "alerts", "deliveries", "retry", body=wish).json()
    count = answer["retried"]
    told = "1 delivery is" if count == 1 else f"{count} deliveries are"
    click.echo(f"{told} tried again; `streamgauge alerts deliveries` shows the results")
    if answer["more"]:
        click.echo("there are more: run the command again")


deliveries.add_command(retry)
