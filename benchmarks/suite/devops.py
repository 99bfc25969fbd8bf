"""TSBS `devops`: ten CPU measures of hosts every ten seconds, and the fifteen kinds of question about them.

https://github.com/timescale/tsbs names the kinds: `single-groupby-5-8-1` has five measures of eight hosts for one hour.
"""

from __future__ import annotations

import numpy as np
from suite.kinds import Question, Random, Suite, SuiteTable, between, literal, walks

MEASURES = [
    f"usage_{name}"
    for name in ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
]
TABLE = '"suite"."cpu"'
STEP_MS = 10_000
HOUR_MS = 3_600_000
SINGLE = [(1, 1, 1), (1, 1, 12), (1, 8, 1), (5, 1, 1), (5, 1, 12), (5, 8, 1)]  # measures, hosts, hours


def devops(random: Random, hosts: int, hours: int, end_ms: int) -> Suite:
    """`hosts` over the `hours` before `end_ms`."""
    times_ms = np.arange(end_ms - hours * HOUR_MS, end_ms, STEP_MS)
    things = [
        {
            "hostname": f"host_{number}",
            "region": f"region-{number % 9}",
            "datacenter": f"region-{number % 9}-{number % 27 // 9}",
            "rack": str(number % 100),
            "os": ("Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10")[number % 3],
            "team": ("SF", "NYC", "LON", "CHI")[number % 4],
        }
        for number in range(hosts)
    ]
    values = {name: walks(random, hosts, len(times_ms), random.uniform(0, 100), 1, 0, 100) for name in MEASURES}
    table = SuiteTable("cpu", things, times_ms, values)
    return Suite("devops", [table], lambda random: _questions(random, hosts, int(times_ms[0]), end_ms))


def _questions(random: Random, hosts: int, start_ms: int, end_ms: int) -> list[Question]:
    def window(hours: int) -> tuple[int, int]:
        from_ms = start_ms + int(random.integers(0, max(1, (end_ms - start_ms - hours * HOUR_MS) // 60_000))) * 60_000
        return from_ms, from_ms + hours * HOUR_MS - 1

    def some(number: int) -> list[str]:
        return [f"host_{host}" for host in random.choice(hosts, number, replace=False)]

    return [
        *(_grouped(f"single-groupby-{m}-{h}-{t}", MEASURES[:m], some(h), window(t), "1m", "max") for m, h, t in SINGLE),
        *(_grouped(f"cpu-max-all-{h}", MEASURES, some(h), window(8), "1h", "max") for h in (1, 8)),
        *(
            _by_host(f"double-groupby-{name}", MEASURES[:m], window(12))
            for name, m in (("1", 1), ("5", 5), ("all", 10))
        ),
        _high("high-cpu-1", some(1), window(12)),
        _high("high-cpu-all", [], window(12)),
        _last(end_ms),
        _newest_minutes(window(1)[1]),
    ]


def _named(measures: list[str]) -> str:
    return f'__name__=~"cpu_({"|".join(measures)})"'


def _of_hosts(hosts: list[str]) -> str:
    return f"hostname IN ({', '.join(repr(host) for host in hosts)})"


def _grouped(
    kind: str, measures: list[str], hosts: list[str], window: tuple[int, int], width: str, function: str
) -> Question:
    columns = ", ".join(f"{function}({name}) AS {name}" for name in measures)
    sql = (
        f"SELECT BIN(time, {width}) AS minute, {columns} FROM {TABLE} "
        f"WHERE {_of_hosts(hosts)} AND {between(*window)} GROUP BY BIN(time, {width}) ORDER BY 1"
    )
    series = f'{{{_named(measures)},hostname=~"{"|".join(hosts)}"}}'
    promql = f"{function}({function}_over_time({series}[{width}]) keep_metric_names) by (__name__)"
    return Question(kind, sql, promql, *window, step=width)


def _by_host(kind: str, measures: list[str], window: tuple[int, int]) -> Question:
    columns = ", ".join(f"avg({name}) AS {name}" for name in measures)
    sql = (
        f"SELECT BIN(time, 1h) AS hour, hostname, {columns} FROM {TABLE} "
        f"WHERE {between(*window)} GROUP BY BIN(time, 1h), hostname ORDER BY 1, 2"
    )
    promql = f"avg(avg_over_time({{{_named(measures)}}}[1h]) keep_metric_names) by (__name__, hostname)"
    return Question(kind, sql, promql, *window, step="1h")


def _high(kind: str, hosts: list[str], window: tuple[int, int]) -> Question:
    among = f" AND {_of_hosts(hosts)}" if hosts else ""
    sql = f"SELECT * FROM {TABLE} WHERE usage_user > 90.0 AND {between(*window)}{among}"
    return Question(kind, sql)


def _last(end_ms: int) -> Question:
    columns = ", ".join(f"max_by({name}, time) AS {name}" for name in MEASURES)
    sql = f"SELECT hostname, max(time) AS latest, {columns} FROM {TABLE} GROUP BY hostname ORDER BY hostname"
    return Question("lastpoint", sql, f"last_over_time({{{_named(MEASURES)}}}[1d])", to_ms=end_ms)


def _newest_minutes(end_ms: int) -> Question:
    sql = (
        f"SELECT BIN(time, 1m) AS minute, max(usage_user) AS highest FROM {TABLE} "
        f"WHERE time < '{literal(end_ms)}' GROUP BY BIN(time, 1m) ORDER BY 1 DESC LIMIT 5"
    )
    promql = "max(max_over_time(cpu_usage_user[1m]))"
    return Question("groupby-orderby-limit", sql, promql, end_ms - 5 * 60_000, end_ms, step="1m")
