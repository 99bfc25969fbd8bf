"""Log lines, in processes of their own: logging is a process's global state."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from pipeline.base.errors import ConfigError
from pipeline.base.logs import Form, form_of, is_json_line

pytestmark = pytest.mark.processes

BEGIN = """
import logging, sys, threading, warnings
from pipeline.base.logs import Form, begin
begin("worker", Form(sys.argv[1]))
log = logging.getLogger("pipeline.some")
"""
FAILS = """
def fails():
    raise RuntimeError('two\\nlines and a "quote"')
"""


def lines_of(script: str, form: Form = Form.JSON) -> tuple[list[str], int]:
    """What a process of this script wrote to standard error, and its exit code."""
    command = [sys.executable, "-c", BEGIN + FAILS + script, form]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stderr.splitlines(), done.returncode


def events_of(script: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(script)[0]]


def test_a_line_of_json_says_when_how_grave_who_and_what() -> None:
    (line,) = events_of("log.warning('the %s of %d', 'log', 3)")

    assert line.pop("time").endswith("Z")
    assert isinstance(line.pop("pid"), int)
    assert line == {"level": "warning", "process": "worker", "logger": "pipeline.some", "event": "the log of 3"}


def test_a_traceback_is_one_field_of_one_line() -> None:
    script = "try:\n    fails()\nexcept RuntimeError as error:\n    log.critical('cannot go on', exc_info=error)"

    (line,) = events_of(script)

    assert (line["level"], line["event"]) == ("critical", "cannot go on")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith('RuntimeError: two\nlines and a "quote"')


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("fails()", "the process ends: "),
        ("t = threading.Thread(target=fails, name='flusher')\nt.start(); t.join()", "the thread flusher ends: "),
    ],
)
def test_what_nobody_caught_is_one_line_too(script: str, told: str) -> None:
    (line,) = events_of(script)

    assert line["level"] == "critical"
    assert line["event"].startswith(told)
    assert "RuntimeError" in line["exception"]


def test_a_warning_of_python_is_a_line_and_libraries_are_quiet() -> None:
    said = events_of("logging.getLogger('uvicorn.access').info('GET /'); warnings.warn('old')")

    assert [line["logger"] for line in said] == ["py.warnings"]
    assert "old" in said[0]["event"]


def test_what_json_has_no_word_for_is_told_as_text() -> None:
    (line,) = events_of("log.info('%s %s', object, '\\udcff')")

    assert line["event"].startswith("<class 'object'> ")


def test_text_has_the_message_in_one_line_and_the_traceback_below_without_colours() -> None:
    said, _ = lines_of("log.info('ready: %s', 'x'); log.error('bad', exc_info=RuntimeError('why'))", Form.TEXT)

    assert said[0].split(" ", 1)[1].rstrip() == "worker info pipeline.some: ready: x"
    assert said[-1] == "RuntimeError: why"
    assert not [line for line in said if "\x1b" in line]


def test_colours_are_there_where_they_are_asked_for() -> None:
    said, _ = lines_of("log.error('bad')", Form.COLOR)

    assert "\x1b[31merror\x1b[0m" in said[0]


@pytest.mark.parametrize(
    ("environ", "is_terminal", "form"),
    [
        ({}, False, Form.JSON),
        ({}, True, Form.COLOR),
        ({"NO_COLOR": "1"}, True, Form.TEXT),
        ({"NO_COLOR": ""}, True, Form.COLOR),
        ({"NO_COLOR": "1"}, False, Form.JSON),
        ({"STREAMGAUGE_LOG_FORMAT": "json"}, True, Form.JSON),
        ({"STREAMGAUGE_LOG_FORMAT": "text"}, False, Form.TEXT),
        ({"STREAMGAUGE_LOG_FORMAT": "color"}, False, Form.COLOR),
    ],
)
def test_the_form_is_that_of_the_variable_else_that_of_the_terminal(
    environ: dict[str, str], is_terminal: bool, form: Form
) -> None:
    assert form_of(environ, is_terminal=is_terminal) is form


def test_another_form_is_refused() -> None:
    with pytest.raises(ConfigError, match='STREAMGAUGE_LOG_FORMAT: "xml" is not a form of log lines; write json'):
        form_of({"STREAMGAUGE_LOG_FORMAT": "xml"}, is_terminal=False)


@pytest.mark.parametrize(
    ("line", "is_ours"),
    [
        ('{"process": "worker", "event": "x"}', True),
        ('{"a": 1}', False),
        ("{no", False),
        ("Error: x", False),
        ("", False),
    ],
)
def test_only_our_own_lines_of_json_are_passed_on_as_they_are(line: str, is_ours: bool) -> None:
    assert is_json_line(line) is is_ours


UP = """
import sys
from pathlib import Path
from pipeline.operations.cli import up
from pipeline.operations.cli.options import begin_logging
from pipeline.base.quantities import parse_address
from pipeline.base.layout import Layout
from pipeline.operations.supervisor.supervisor import Addresses, Plan
child = '''
import sys, logging
from pipeline.operations.cli.options import begin_logging
begin_logging(sys.argv[1])
logging.getLogger("pipeline.some").warning("a line of its own")
print("a library's word", file=sys.stderr)
print("   ", file=sys.stderr)
raise RuntimeError("it fails")
'''
command = lambda name: (sys.executable, "-c", child, name)
plan = Plan(Layout(Path(sys.argv[1])), Addresses(parse_address("127.0.0.1:0"), parse_address("127.0.0.1:0")),
            gateway=lambda _: (sys.executable, "-c", "import time; time.sleep(60)"),
            worker=lambda _: command("worker"))
sys.exit(up.run(plan))
"""


def test_under_up_every_line_of_every_process_is_one_object_of_json(tmp_path: Any) -> None:
    """Also what a library wrote by itself, and the traceback of what nobody caught."""
    done = subprocess.run([sys.executable, "-c", UP, tmp_path], capture_output=True, text=True, check=False, timeout=60)

    said = [json.loads(line) for line in done.stderr.splitlines()]
    of_worker = [line for line in said if line["process"] == "worker"]
    assert done.returncode == 1
    assert [line["event"] for line in of_worker[:2]] == ["a line of its own", "a library's word"]
    assert "RuntimeError: it fails" in of_worker[2]["exception"]
    assert len({line["pid"] for line in of_worker}) == 1
    assert len(of_worker) == 3


def test_under_up_at_a_terminal_children_write_colours_and_no_json(tmp_path: Any) -> None:
    terminal, other_end = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    environ.pop("NO_COLOR", None)
    process = subprocess.Popen([sys.executable, "-c", UP, tmp_path], stderr=other_end, env=environ)
    os.close(other_end)
    shown = b""
    try:
        while more := os.read(terminal, 4096):
            shown += more
    except OSError:  # Linux ends a pty's output so
        pass
    finally:
        os.close(terminal)

    assert process.wait(60) == 1
    assert b"\x1b[33mwarning" in shown
    assert b"a line of its own" in shown
    assert b'"event"' not in shown
