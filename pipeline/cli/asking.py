"""What the client commands share: the client for the server that --endpoint names, --endpoint itself, --format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.cli.group import Server
from pipeline.client import DEFAULT_ENDPOINT, Client


def client(context: click.Context) -> Client:
    """A client for the server this command is to ask."""
    server = context.find_object(Server)
    assert server is not None
    return Client(server.endpoint or DEFAULT_ENDPOINT, server.token, server.ca)


def _choose(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        server = context.find_object(Server)
        assert server is not None
        assert parameter.name is not None
        changed: dict[str, Any] = {parameter.name: value}
        context.obj = dataclasses.replace(server, **changed)


def endpoint_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --endpoint and --ca after a client command's name, where people type them too."""
    ca = click.option(
        "--ca",
        callback=_choose,
        expose_value=False,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Certificates to trust; as before the command's name.",
    )
    endpoint = click.option(
        "--endpoint",
        callback=_choose,
        expose_value=False,
        help="The server to ask; as before the command's name.",
    )
    return endpoint(ca(command))


def format_option(*choices: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --format with these choices, the first by default; passed on as `form`."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True, help="How to print."
    )
