"""The journey: under load, every named moment once, each part killed, everything killed, paused, and rolled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from tests.support.fault_kit import publish_for
from tests.support.mosquitto import Mosquitto, Relay
from tests.support.tour.alerts import Alerts
from tests.support.tour.bridge import ThroughABroker
from tests.support.tour.deployment import Deployment, wait_until_caught_up
from tests.support.tour.devices import Exactly, Key
from tests.support.tour.load import Counts, Load
from tests.support.tour.trimmed import Trimmed
from tests.support.tour.witness import Witness
from tests.support.tour.written import Written
from tests.support.waiting import wait_for

Act = Callable[[], None]
ANSWERS = 2


def travel(deployment: Deployment, witnesses: Sequence[Witness], *, kills: int, others: Sequence[Act] = ()) -> None:
    """Kill and pause everything in random order, every three `kills` all of it again, `others` once in between.

    Raises AssertionError with all laws that were broken, each by the witness who saw it.
    """
    rng = random.Random(kills)
    with ExitStack() as left:
        for witness in witnesses:
            witness.begin()
            left.callback(witness.abandon)
        for number, act in enumerate(acts(deployment, rng, max(1, kills // 3), others)):
            publish_for(rng.uniform(0, 0.5))
            if number % 3 == 0:
                deployment.rest()
                let_answer(witnesses)
            act()
        broken = told_by(witnesses, lambda witness: witness.end())
        wait_until_caught_up(deployment)
        broken += told_by(witnesses, lambda witness: witness.check())
    assert broken == [], "\n".join(broken)


def witnesses_of(deployment: Deployment, broker: Mosquitto, relay: Relay, hook: int, rate: int) -> list[Witness]:
    """One of each. `hook` is the port of the receiver, `relay` leads to `broker`."""
    return [
        Load(deployment, rate),
        Counts(deployment),
        Key(deployment),
        Exactly(deployment),
        Alerts(deployment, hook),
        Written(deployment),
        ThroughABroker(deployment, broker, relay),
        Trimmed(deployment),
    ]


def let_answer(witnesses: Sequence[Witness]) -> None:
    """Return once each that asks was answered: on a busy machine nobody is between kills that follow each other."""
    wanted = [(witness, witness.answers + ANSWERS) for witness in witnesses if witness.answers is not None]
    what = f"{', '.join(type(witness).__name__ for witness, _ in wanted)} are answered"
    wait_for(lambda: all((one.answers or 0) >= answers for one, answers in wanted), what, timeout_s=240)


def told_by(witnesses: Sequence[Witness], do: Callable[[Witness], None]) -> list[str]:
    """Which laws they see broken when they do that."""
    told = []
    for witness in witnesses:
        try:
            do(witness)
        except AssertionError as error:
            told.append(f"{type(witness).__name__}: {error}")
    return told


def acts(deployment: Deployment, rng: random.Random, rounds: int, others: Sequence[Act]) -> list[Act]:
    """What happens, in order: each round has all of it, in an order of its own."""
    found: list[Act] = []
    for _ in range(rounds):
        of_this: list[Act] = [partial(deployment.kill_at, moment) for moment in deployment.moments]
        of_this += [partial(deployment.kill, part) for part in deployment.killed]
        of_this += [partial(paused, deployment, (part,)) for part in (deployment.parts[0], deployment.parts[-1])]
        of_this += [partial(paused, deployment, deployment.parts), deployment.kill_everything]
        of_this += [deployment.roll] if deployment.is_rolled else []
        rng.shuffle(of_this)
        found += of_this
    for act in others:
        found.insert(rng.randrange(len(found)), act)
    return found


def paused(deployment: Deployment, parts: Sequence[str]) -> None:
    """These stand still together for a while."""
    with ExitStack() as standing:
        for part in parts:
            standing.enter_context(deployment.pause(part))
        publish_for(1)
