"""`streamgauge rules explain`: why an alert fired."""

from __future__ import annotations

from typing import Any

import click

from pipeline.operations.cli.asking import client, list_options
from pipeline.operations.cli.output import Listing, print_text, show

_VALUE = ("time", "value", "bounds", "phase")
_PEER = ("dimensions", "samples", "average", "min", "max")


@click.command(short_help="Why an alert fired.")
@click.argument("alert", metavar="ALERT_ID")
@list_options
def explain(context: click.Context, alert: str, form: str) -> None:
    """Why an alert fired: the values that its rule compared with its bounds, and what followed, from the rows of its
    time in the store.
    """
    with client(context) as server:
        answer = server.get("v1", "alerts", alert, "explain")
    if form == "table":
        print_text(_head(answer))
    values = [tuple(one[name] for name in _VALUE) for one in answer["values"]]
    show(Listing(_VALUE, values, answer, "values"), form)
    if form == "table" and answer["peers"]:
        print_text("")
        show(Listing(_PEER, [tuple(one[name] for name in _PEER) for one in answer["peers"]], None), form)
    if form == "table" and not answer["reproduced"] and not answer["explanation"]:
        print_text(
            "these rows alone do not give the alert: the rule was changed, rows came late, or it is about silence"
        )


def _head(answer: dict[str, Any]) -> str:
    alert, rule = answer["alert"], answer["rule"]
    levels = (
        f"{level['name'] or 'level'}: bounds {level['bounds']}, clear {level['clear']}, for {level['for']}"
        for level in rule["levels"]
    )
    about = f"{alert['rule']} {alert['status']} since {alert['since']}: {alert['dimensions']}"
    return "\n".join(
        (about, f"{rule['kind']} over {', '.join(rule['measures'])}, {rule['file']}", *levels, "", *answer["steps"], "")
    )
