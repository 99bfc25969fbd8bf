"""What the client commands share: the client for the server that --endpoint names, and --format."""

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


def format_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --format with these choices, the first by default; passed on as `form`."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print."
    )
