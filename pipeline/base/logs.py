"""Log lines: one JSON object per line for machines, readable text for a person at a terminal.

Our code and libraries log through the standard library's loggers; structlog formats the lines. A line has the time
(UTC), the level, the process (its name and pid), the logger and the message. A traceback is one field, `exception`, so
that each line is a complete JSON object. Uncaught exceptions are logged too. The form is that of
`STREAMGAUGE_LOG_FORMAT`; without it, text if standard error is a terminal, else JSON. `up` passes its form on to its
children, whose standard error is always a pipe.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from types import TracebackType
from typing import Any, TextIO

import orjson

from pipeline.base.errors import ConfigError
from pipeline.base.optional_modules import without

with without("rich"):  # for tracebacks with frames and colours: a tenth of the CPU of a gateway's start
    import structlog
    from structlog.dev import Column, KeyValueColumnFormatter

VARIABLE = "STREAMGAUGE_LOG_FORMAT"

# Libraries whose INFO lines are useless to an operator: every service that starts, every request. Our subclasses of
# Faust's services log the same under the names of their own modules.
_QUIET = ("aiokafka", "faust", "httpx", "mode", "uvicorn", "pipeline.log.faust")
_LEVELS = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
_ANSI = {"dim": "\x1b[2m", "green": "\x1b[32m", "yellow": "\x1b[33m", "red": "\x1b[31m", "bold red": "\x1b[1;31m"}
_RESET = "\x1b[0m"


class Form(StrEnum):
    """The form of log lines."""

    JSON = "json"
    TEXT = "text"
    COLOR = "color"  # text with colours


def form_of(environ: Mapping[str, str], *, is_terminal: bool) -> Form:
    """The form for these variables, if standard error is a terminal or not. Raises ConfigError."""
    asked = environ.get(VARIABLE, "")
    if asked:
        try:
            form = Form(asked)
        except ValueError:
            raise ConfigError(f'{VARIABLE}: "{asked}" is not a form of log lines; write json, text or color') from None
    else:
        form = Form.COLOR if is_terminal else Form.JSON
    has_no_color = bool(environ.get("NO_COLOR"))  # https://no-color.org: present and not empty
    return Form.TEXT if form is Form.COLOR and has_no_color else form


def begin(process: str, form: Form, stream: TextIO | None = None) -> None:
    """Start to write log lines to `stream` (standard error) in this form; `process` is the name of this process."""
    for library in _QUIET:
        logging.getLogger(library).setLevel(logging.WARNING)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(process, form))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _formatter(process: str, form: Form) -> logging.Formatter:
    def told(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        record = event["_record"]
        first: dict[str, Any] = {"time": event.pop("timestamp"), "level": event.pop("level")}
        first |= {"process": getattr(record, "of_process", process), "pid": getattr(record, "of_pid", record.process)}
        return {**first, "logger": event.pop("logger"), "event": event.pop("event"), **event}

    common: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper("iso", utc=True, key="timestamp"),
        told,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
    ]
    render: Any = structlog.processors.JSONRenderer(_dumps) if form is Form.JSON else _text(form is Form.COLOR)
    return structlog.stdlib.ProcessorFormatter(processors=[*common, render])


def _dumps(event: Mapping[str, Any], **_: Any) -> str:
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:  # a surrogate, as in the name of a file that is not UTF-8
        return json.dumps(event, default=str)


def _text(is_colored: bool) -> structlog.dev.ConsoleRenderer:
    """`2026-11-25T16:40:12.345678Z worker info pipeline.worker: what happened`, with the traceback below."""

    def column(style: str = "", postfix: str = "") -> KeyValueColumnFormatter:
        on, off = (_ANSI[style], _RESET) if style and is_colored else ("", "")
        return KeyValueColumnFormatter(None, on, off, str, postfix=postfix)

    def level(key: str, value: object) -> str:  # noqa: ARG001  # structlog calls it by these names
        return f"{_ANSI[_LEVELS[str(value)]]}{value}{_RESET}" if is_colored else str(value)

    def nothing(key: str, value: object) -> str:  # noqa: ARG001  # as above
        return ""

    return structlog.dev.ConsoleRenderer(
        columns=[
            Column("time", column("dim")),
            Column("process", column()),
            Column("level", level),
            Column("logger", column("dim", ":")),
            Column("event", column()),
            Column("pid", nothing),
            Column("", KeyValueColumnFormatter("", "", "", str)),
        ],
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None, *, where: str = "the process ends"
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("pipeline").critical(
        "%s: an error that nobody expected", where, exc_info=(kind, error, traceback)
    )


def _log_uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is None or issubclass(told.exc_type, SystemExit):
        return
    name = "a thread" if told.thread is None else f"the thread {told.thread.name}"
    _log_uncaught(told.exc_type, told.exc_value, told.exc_traceback, where=f"{name} ends")


def is_json_line(line: str) -> bool:
    """Whether a line from a child already is one of our JSON lines."""
    if not line.startswith("{"):
        return False
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(fields, dict) and "event" in fields and "process" in fields
