"""Forks query processes: loads everything they need once, so that each costs milliseconds and shares the memory.

Run as `python -m store.processes.forker <socket> <modules>`. For each byte on the socket, which comes with an end of a
connection, it forks a process that serves this connection. It has one thread, so that the kernel kills the query
processes when it dies (prctl(2)); and it dies with its worker, whose end of the socket is then closed.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import socket
import sys

from store.processes.child import serve

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Fork until the worker closes the socket."""
    own = os.getpid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the worker ends it
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets processes that have ended
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2].split(","):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # collections in a query process leave the shared memory alone
    while True:
        _, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not fds:
            return
        if os.fork() == 0:
            control.close()
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == own:
                serve(socket.socket(fileno=fds[0]))
            os._exit(0)
        os.close(fds[0])


if __name__ == "__main__":
    main()
    os._exit(0)  # what was loaded has nothing to finish
