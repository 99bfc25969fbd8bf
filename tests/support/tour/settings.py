"""The configuration of the deployment of a tour: some accounts, and a table for each witness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ACCOUNTS = 5
WORKERS_TOKEN = "a token of the workers'"

RULES = """\
groups:
  - name: tour
    table: tour.climate
    rules: [{alert: Hot, measure: temperature, range: {max: 32}, for: 1m}]
  - name: load
    table: faults.table_00
    rules: [{alert: Hot, measure: temperature, range: {max: 21}, for: 1h}]
"""

TOPICS = {
    "faults.table_00": "fault/{region}/{greenhouse}/{zone}/{sensor}",
    "tour.keys": "keys/{sensor}",
    "tour.climate": "climate/{sensor}",
    "tour.exactly": "exactly/{sensor}",
    "tour.bridged": "bridged/{region}/{greenhouse}/{zone}/{sensor}",
}


def user(account: int) -> dict[str, str]:
    """Who connects for an account."""
    return {"username": f"farm-{account}", "password": f"secret-{account}", "account": f"farm-{account}"}


def token(account: int) -> str:
    """Who asks for an account."""
    return f"token-{account}"


def tour_settings(folder: Path, broker: str, receiver_port: int) -> dict[str, Any]:
    """What both deployments have in common; the rules are written to `folder`. `broker` is an address."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    webhook = {"url": f"http://127.0.0.1:{receiver_port}/hook", "allow_private": True}
    bridge = {"url": f"mqtt://{broker}", "topics": ["bridged/#"], "account": "farm-3", "group": "gateways"}
    return {
        "tables": [
            {"name": name, "topics": topics, "time": {"field": "ts", "unit": "ms"}} for name, topics in TOPICS.items()
        ],
        "listener": {"users": [user(account) for account in range(ACCOUNTS)]},
        "http": {"tokens": [{"token": token(account), "account": f"farm-{account}"} for account in range(ACCOUNTS)]},
        "brokers": [bridge],
        "rules": [str(rules)],
        "receivers": [{"name": "growers", "webhook": webhook}],
    }
