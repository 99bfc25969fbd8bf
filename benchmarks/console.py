"""What open browsers cost the stream: CPU of gateway and worker with and without 50 live overviews, by turns.

    .venv/bin/python benchmarks/console.py --rate 20000 --browsers 50

A browser is a connection that has signed in, has read the overview, and takes its live parts. 100,000 sensors of 10
accounts; the browsers are of two of these. Prints also the console's own CPU, its memory, and what a browser is sent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import httpx
import psutil
from deployment import ACCOUNTS, _cpu_s, token
from run import MIB, SENDER, result_of, running

from pipeline.base.layout import Layout

WARM_S = 15.0
TURNS = 3
CHANGE_S = 25.0  # for browsers to come or to leave: a quiet one leaves at the next ping


class Browser:
    """An open overview. `page_bytes` and `live_bytes` are what it was sent, as HTML."""

    def __init__(self, console: str, account: int) -> None:
        self.live_bytes = 0
        self._http = httpx.Client(base_url=console, headers={"sec-fetch-site": "same-origin"}, follow_redirects=True)
        began_s = time.monotonic()
        page = self._http.post("/sign-in", data={"token": token(account), "next": "/"}, timeout=60)
        self.page_s, self.page_bytes = time.monotonic() - began_s, len(page.content)
        self._stopping = False
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        with self._http.stream("GET", "/overview/live", timeout=60) as live:
            for chunk in live.iter_bytes():
                self.live_bytes += len(chunk)
                if self._stopping:
                    return

    def leave(self) -> None:
        """Take no more than the next part."""
        self._stopping = True

    def close(self) -> None:
        """Return when it has left."""
        self._thread.join(30)
        self._http.close()


def main() -> int:
    """Run and print; 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-s", "--seconds", type=float, default=15.0, help="of each turn (default 15)")
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second (default 20,000)")
    parser.add_argument("--browsers", type=int, default=50, help="(default 50)")
    options = parser.parse_args()
    with ExitStack() as stack:
        started, _ = stack.enter_context(running())
        console = "http://" + json.loads(Layout(started.data_dir).up_state.read_bytes())["console"]
        pids = {name: started.pid(name) for name in ("gateway", "worker", "console")}
        whole_s = WARM_S + 2 * TURNS * (options.seconds + CHANGE_S)
        words = {
            "--mqtt": started.mqtt, "--rate": options.rate, "--seconds": whole_s, "--connections": 20,
            "--accounts": ACCOUNTS, "--sensors": 100_000, "--drain": 120,
        }  # fmt: skip
        command = [sys.executable, str(SENDER), *(str(word) for option in words.items() for word in option)]
        sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(WARM_S)
        used: dict[int, list[dict[str, float]]] = {0: [], options.browsers: []}
        for count in (0, options.browsers) * TURNS:
            browsers = [Browser(console, 1 + number % 2) for number in range(count)]
            before = {name: _cpu_s(pid) for name, pid in pids.items()}
            sent = sum(browser.live_bytes for browser in browsers)
            time.sleep(options.seconds)
            used[count].append({name: (_cpu_s(pid) - before[name]) / options.seconds for name, pid in pids.items()})
            memory = psutil.Process(pids["console"]).memory_info().rss / MIB
            if browsers:
                each = (sum(browser.live_bytes for browser in browsers) - sent) / count / options.seconds
                pages = sorted(browser.page_s for browser in browsers)
                print(f"{count} browsers: page {browsers[0].page_bytes / 1000:.0f} kB, {pages[len(pages) // 2]:.2f} s;"
                      f" live {each / 1000:.1f} kB/s each; console {memory:.0f} MiB")  # fmt: skip
            for browser in browsers:
                browser.leave()
            for browser in browsers:
                browser.close()
        sent_messages = result_of(sender)
        print(f"messages/s acknowledged: {sent_messages['acknowledged'] / sent_messages['seconds']:,.0f}")
        for count, turns in used.items():
            stream = " ".join(f"{_stream(turn):.3f}" for turn in turns)
            own = " ".join(f"{turn['console']:.3f}" for turn in turns)
            print(f"{count} browsers: CPU a second of the stream {stream}; of the console {own}")
        print(f"ratio: {sum(map(_stream, used[options.browsers])) / sum(map(_stream, used[0])):.3f}")
    return 0


def _stream(turn: dict[str, float]) -> float:
    return turn["gateway"] + turn["worker"]


if __name__ == "__main__":
    sys.exit(main())
