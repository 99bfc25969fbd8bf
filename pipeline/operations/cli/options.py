"""The options of `up`, `gateway` and `worker`: the configuration, and the settings that are changed most often.

What reads the configuration is imported when it is read, a third of a second of CPU: of `alerts`, for one, only
`alerts routes` reads it.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.base.layout import OTHERS

if TYPE_CHECKING:
    from pipeline.base.logs import Form
    from pipeline.config.load import Loaded

DEFAULT_FILE = "streamgauge.yaml"


def config_option(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the option --config, as `config_file`."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        envvar="STREAMGAUGE_CONFIG",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help=f"The configuration. Without it: {DEFAULT_FILE} in this folder if there is one, else defaults.",
    )(command)


_SETTINGS = (
    ("--data-dir", "DIR", "Folder of all data. [default: ./data; env: STREAMGAUGE_DATA_DIR]"),
    ("--mqtt", "HOST:PORT", "MQTT listener. [default: 127.0.0.1:1883; env: STREAMGAUGE_LISTENER__ADDRESS]"),
    ("--http", "HOST:PORT", "HTTP API. [default: 127.0.0.1:8080; env: STREAMGAUGE_HTTP__ADDRESS]"),
    ("--console", "HOST:PORT", "Pages for browsers. [default: 127.0.0.1:8081; env: STREAMGAUGE_CONSOLE__ADDRESS]"),
    ("--log", "URL", "The durable log: local (embedded) or kafka://host:port. [default: local; env: STREAMGAUGE_LOG]"),
)


def settings_options(command: Callable[..., object]) -> Callable[..., object]:
    """Give `command` the option --config and those of settings.

    It is called with the resulting `Loaded`, and with its own options by name. What the process writes from then on can
    be read by its user alone.
    """
    settings = {name.removeprefix("--").replace("-", "_"): name for name, _, _ in _SETTINGS}

    @functools.wraps(command)
    def called(config_file: Path | None, **values: str | None) -> object:
        options = {settings[name]: value for name, value in values.items() if value is not None and name in settings}
        os.umask(OTHERS)
        own = {name: value for name, value in values.items() if name not in settings}
        return command(load_from(config_file, options), **own)

    decorated: Callable[..., object] = called
    for name, metavar, text in reversed(_SETTINGS):
        decorated = click.option(name, metavar=metavar, help=text)(decorated)
    return config_option(decorated)


def load_from(config_file: Path | None, options: Mapping[str, str]) -> Loaded:
    """The configuration of this file, of the environment and of these options. Raises ConfigError."""
    from pipeline.config.load import load  # noqa: PLC0415  # see above

    if config_file is None and Path(DEFAULT_FILE).exists():
        config_file = Path(DEFAULT_FILE)
    return load(config_file, os.environ, options)


def begin_logging(name: str) -> Form:
    """Start to write log lines to standard error; `name` is that of the process. Raises ConfigError."""
    from pipeline.base.logs import begin, form_of  # noqa: PLC0415  # as above

    form = form_of(os.environ, is_terminal=sys.stderr.isatty())
    begin(name, form)
    return form
