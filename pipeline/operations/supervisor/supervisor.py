"""The life of `up`: lock, ports, children, ready, and an orderly end.

Order of the end: gateways first, so that no new messages arrive, then the worker, which processes the rest of the log.
A child that fails before everything was ready ends `up` with its exit code, because the operator has to correct the
cause. After a later failure, or a death by a signal, it is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.layout import Layout, prepare
from pipeline.base.lock import sole
from pipeline.base.ports import reserve
from pipeline.base.quantities import Address
from pipeline.operations.supervisor.child import Child, PassOn
from store.objects.files import write_atomic

USAGE = 2  # exit code: wrong usage or configuration, which no restart changes
GATEWAY_STOP_S = 25.0  # its graceful end waits 10 s for the log, and 10 s for connections
WORKER_STOP_S = 40.0  # its own drain takes at most 20 s, then it saves everything
CONSOLE_STOP_S = 5.0  # it keeps nothing
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens; `console` is None if there is none."""

    mqtt: Address
    http: Address
    console: Address | None = None


Command = Callable[[Addresses], Sequence[str]]
"""Makes the command of a child, after the ports are known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and where it is to listen."""

    layout: Layout
    addresses: Addresses
    gateway: Command
    worker: Command
    console: Command | None = None
    gateways: int = 1
    is_secure: bool = False  # HTTP is HTTPS
    gateway_stop_s: float = GATEWAY_STOP_S
    worker_stop_s: float = WORKER_STOP_S


Watch = Callable[[Address], Coroutine[Any, Any, None]]
"""Runs from ready to the end, with the HTTP address: the status line."""


Say = Callable[[str], None]


def supervise(
    plan: Plan, say: Say, watch: Watch | None = None, *, warn: Say | None = None, pass_on: PassOn | None = None
) -> int:
    """Run everything until SIGTERM or SIGINT (a second one kills at once); returns the exit code. Blocks.

    `warn` is called when a child has ended or is killed, `pass_on` with its output; without them, `say` is. Raises
    DataDirError, DataDirLocked or PortTaken before anything is started. Call it from the main thread.
    """
    prepare(plan.layout)
    with contextlib.ExitStack() as held:
        held.enter_context(sole(plan.layout.up_lock))
        wanted = plan.addresses
        at = Addresses(
            _reserved(wanted.mqtt, "listener.address", held),
            _reserved(wanted.http, "http.address", held),
            None if wanted.console is None else _reserved(wanted.console, "console.address", held),
        )
        _empty(plan.layout.metrics)
        plan.layout.up_state.unlink(missing_ok=True)  # left by a killed process
        held.callback(plan.layout.up_state.unlink, missing_ok=True)
        return asyncio.run(_Supervision(plan, at, say, warn or say, pass_on).run(watch))


def _reserved(address: Address, setting: str, held: contextlib.ExitStack) -> Address:
    """The address with its port, which is reserved as long as `held` is open."""
    port, found = reserve(address, setting)
    held.enter_context(port)
    return found


class _Supervision:
    """One run of `up`, within its event loop."""

    def __init__(self, plan: Plan, at: Addresses, say: Say, warn: Say, pass_on: PassOn | None) -> None:
        self._plan = plan
        self._at = at
        self._say = say
        self._warn = warn
        self._pass_on: PassOn = pass_on or (lambda _name, _pid, line: say(line))
        self._is_ready = False
        self._signals = 0
        self._stop = asyncio.Event()
        self._gateways = [self._child(*named) for named in _gateways(plan, plan.gateway(at))]
        self._worker = self._child("worker", plan.worker(at))
        self._consoles = [] if plan.console is None else [self._child("console", plan.console(at))]
        self._children = [*self._gateways, self._worker, *self._consoles]

    def _child(self, name: str, command: Sequence[str]) -> Child:
        return Child(
            name,
            command,
            say=self._warn,
            pass_on=self._pass_on,
            is_final=self._is_final,
            on_start=self._write_state,
        )

    async def run(self, watch: Watch | None) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        # SIGHUP from a closed terminal ends `up`; otherwise the operator sent it, and it is passed on.
        loop.add_signal_handler(signal.SIGHUP, self._pass_on_hangup if watch is None else self._on_signal)
        runs = [asyncio.create_task(child.keep_running()) for child in self._children]
        for task in runs:
            task.add_done_callback(lambda _: self._stop.set())
        background = asyncio.create_task(self._announce_and_watch(watch))
        await self._stop.wait()
        failed = [task for task in runs if task.done()]
        background.cancel()
        for child in self._children:
            child.let_end()
        consoles = asyncio.gather(*(console.stop(CONSOLE_STOP_S) for console in self._consoles))
        await asyncio.gather(*(gateway.stop(self._plan.gateway_stop_s) for gateway in self._gateways))
        await self._worker.stop(self._plan.worker_stop_s)
        await consoles
        await asyncio.gather(*runs)
        with contextlib.suppress(asyncio.CancelledError):
            await background
        return failed[0].result() if failed else 0

    def _on_signal(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals == 1:
            gateways = "the gateway" if len(self._gateways) == 1 else "the gateways"
            self._say(f"ending: {gateways}, then the worker (again to kill them)")
        else:
            for child in self._children:
                child.kill()

    def _pass_on_hangup(self) -> None:
        for child in self._children:
            child.hang_up()

    def _is_final(self, code: int) -> bool:
        return code == USAGE or (code > 0 and not self._is_ready)

    async def _announce_and_watch(self, watch: Watch | None) -> None:
        at = self._at
        for address in (at.mqtt, at.http, at.console):
            while address is not None and not await _accepts(address):  # noqa: ASYNC110  # the event is in another process
                await asyncio.sleep(_POLL_S)
        self._is_ready = True
        scheme = "https" if self._plan.is_secure else "http"
        console = "" if at.console is None else f", console on {scheme}://{at.console}"
        self._say(f"ready: MQTT listening on {at.mqtt}, HTTP API on {scheme}://{at.http}{console}")
        self._write_state()
        if watch is not None:
            await watch(at.http)

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "mqtt": str(self._at.mqtt),
            "http": str(self._at.http),
            "console": None if self._at.console is None else str(self._at.console),
            "ready": self._is_ready,
            "children": {child.name: child.pid for child in self._children},
        }
        try:
            write_atomic(self._plan.layout.up_state, json.dumps(state).encode())
        except OSError as error:  # a full disk must not end the supervision
            self._say(f"{self._plan.layout.up_state} has old pids and addresses: {error.strerror}")


def _gateways(plan: Plan, command: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Name and command of each gateway; a single one is called gateway, and needs no --name."""
    if plan.gateways == 1:
        return [("gateway", command)]
    names = [f"gateway-{number}" for number in range(1, plan.gateways + 1)]
    return [(name, [*command, "--name", name]) for name in names]


def reachable(address: Address) -> Address:
    """The address at which this machine reaches a server on `address`: loopback, if that is every interface."""
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port)  # noqa: S104  # read, not bound


async def _accepts(address: Address) -> bool:
    target = reachable(address)
    try:
        _, writer = await asyncio.open_connection(target.host, target.port)
    except OSError:
        return False
    writer.close()
    return True


def _empty(folder: Path) -> None:
    """Remove metrics of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
