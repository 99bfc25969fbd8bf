"""A process that has imported the product, and forks the commands that tests start again and again.

A start costs a second of CPU time for imports, and a tour starts dozens of processes. What is forked is the command
itself, in a process of its own, with the environment, the working directory and the output that it is given; what `up`
starts is forked from `up`. Only the imports are left out: `tests/end_to_end` and the tests of the commands start the
real interpreter.

Run as `python -m tests.support.zygote <socket>`; it ends with who has the other end.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NoReturn
from unittest import mock

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

ANSWER_BYTES = 1 << 10
_gateway: str | None = None  # of several: part of the names of the files of its metrics


class _Files(MmapedDict):
    """Those of the zygote, where nothing is counted: closed before anybody is forked."""

    opened: ClassVar[list[Any]] = []

    def __init__(self, name: str) -> None:
        super().__init__(name)  # type: ignore[no-untyped-call]
        self.opened.append(self)


def main() -> None:
    """Fork for each request, and tell how a process has ended, until the socket closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="zygote-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics  # decided at import; whoever is forked counts elsewhere
        values.ValueClass = values.MultiProcessValue(_counted_by)  # type: ignore[no-untyped-call]
        with mock.patch.object(values, "MmapedDict", _Files):
            _import_everything()
        for file in _Files.opened:
            file.close()
        gc.collect()
        gc.freeze()
        for line in control.makefile():
            request = json.loads(line)
            answer = _fork(control, request) if "arguments" in request else _code(request["pid"])
            control.sendall(f"{json.dumps(answer)}\n".encode())


def _counted_by() -> str:
    return f"{os.getpid()}" if _gateway is None else f"{_gateway}.{os.getpid()}"


def _import_everything() -> None:
    import pipeline.console.serve
    import pipeline.gateway.run
    import pipeline.operations.cli.console
    import pipeline.operations.cli.gateway
    import pipeline.operations.cli.up
    import pipeline.operations.cli.worker
    import pipeline.worker.worker

    for module in (pipeline.operations.cli.gateway, pipeline.operations.cli.worker):
        vars(module)["share_metrics"] = _share(vars(module)["share_metrics"])


def _share(share: Callable[..., None]) -> Callable[..., None]:
    """The same though prometheus_client is imported: a forked process opens its files at the next count."""

    def shared(layout: Any, gateway: str | None = None) -> None:
        import pipeline.base.metrics as counted

        global _gateway  # noqa: PLW0603  # of this process, from its start to its end
        _gateway = gateway
        prometheus = sys.modules.pop("prometheus_client")
        share(layout)
        sys.modules["prometheus_client"] = prometheus
        counted.bytes_received._value.get()

    return shared


def _code(pid: int) -> int | None:
    """The exit code of a child, negative for a signal; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(control: socket.socket, request: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    control.detach()
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    asyncio.create_subprocess_exec = _forking(asyncio.create_subprocess_exec)
    return _become(request["arguments"])


def _forking(start: Callable[..., Any]) -> Callable[..., Any]:
    """Instead of executing a command of ours, what is forked for it becomes it."""

    def forked(python: str, *words: str, preexec_fn: Callable[[], None], **options: Any) -> Any:
        assert words[:3] == ("-P", "-m", "pipeline.operations.cli"), words

        def begin() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as the interpreter does that would begin now
                signal.signal(number, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
            preexec_fn()
            _become(words[3:])

        return start(python, *words, preexec_fn=begin, **options)

    return forked


def _become(arguments: Sequence[str]) -> NoReturn:
    """Run a command line as if this process had been started with it; nothing of what it was forked from is used."""
    from pipeline.operations.cli.group import run
    from store.magnetic import tier

    gc.freeze()
    os.closerange(3, min(1 << 16, os.sysconf("SC_OPEN_MAX")))
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
    asyncio._set_running_loop(None)
    asyncio.set_event_loop_policy(None)
    tier._RNG.seed()
    sys.argv = ["streamgauge", *arguments]
    code = 1
    try:
        code = run([*arguments])
    except BaseException as error:  # noqa: BLE001  # as the interpreter does
        sys.excepthook(type(error), error, error.__traceback__)
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # as the interpreter does
        atexit._run_exitfuncs()
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
