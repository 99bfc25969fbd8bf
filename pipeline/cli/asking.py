"""What the client commands share: the client for the server that --endpoint names, --endpoint itself, --format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from pipeline.cli.group import Server
from pipeline.client import DEFAULT_ENDPOINT, Client


def client(context: click.Context) -> Client:
    """A client for the server this command is to ask."""
    server = context.find_object(Server)
    assert server is not None
    return Client(server.endpoint or DEFAULT_ENDPOINT, server.token)


def _choose(context: click.Context, _: click.Parameter, endpoint: str | None) -> None:
    if endpoint is not None:
        server = context.find_object(Server)
        assert server is not None
        context.obj = Server(endpoint, server.token)


endpoint_option = click.option(
    "--endpoint",
    callback=_choose,
    expose_value=False,
    help="The server to ask; as before the command's name.",
)
"""The option --endpoint after a client command's name, where people type it too."""


def format_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --format with these choices, the first by default; passed on as `form`."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print."
    )
