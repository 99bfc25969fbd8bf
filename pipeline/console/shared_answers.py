"""Answers of the API that all browsers share: one question at a time for each token, and its answer for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.console.api import Api, Parameters

MOST_KEPT = 512
REST = 20  # an answer is fresh at least this number of times as long as it took: so polling costs the API a twentieth


@dataclass(slots=True)
class _Kept:
    asked_s: float
    answer: asyncio.Task[Any]
    took_s: float = 0.0


class SharedAnswers:
    """Asks the API once where several browsers ask the same with the same token."""

    def __init__(self, api: Api, now_s: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._now_s = now_s
        self._kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()

    async def get(
        self, token: str | None, path: str, parameters: Parameters = (), *, fresh_s: float = 1.0, text: bool = False
    ) -> Any:
        """The answer to GET `path`, JSON unless `text`, at most `fresh_s` old, or somewhat older if it takes long.

        Raises what `Api.get` raises, to all who wait for it.
        """
        key = (token, path, tuple(parameters), text)
        kept = self._kept.get(key)
        if kept is None or self._is_over(kept, fresh_s):
            kept = self._kept[key] = _Kept(self._now_s(), asyncio.create_task(self._ask(key)))
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return await asyncio.shield(kept.answer)  # the visitor who asked first may leave

    def forget(self, token: str | None, path: str, parameters: Parameters = ()) -> None:
        """Ask anew for the JSON at `path`, as it is known to have changed."""
        self._kept.pop((token, path, tuple(parameters), False), None)

    def _is_over(self, kept: _Kept, fresh_s: float) -> bool:
        if not kept.answer.done():
            return False
        if kept.answer.cancelled() or kept.answer.exception() is not None:
            return True
        return self._now_s() - kept.asked_s >= max(fresh_s, REST * kept.took_s)

    async def _ask(self, key: tuple[Any, ...]) -> Any:
        token, path, parameters, is_text = key
        began_s = self._now_s()
        ask = self._api.text if is_text else self._api.get
        found: Any = await ask(token, path, parameters)
        kept = self._kept.get(key)
        if kept is not None:
            kept.took_s = self._now_s() - began_s
        return found
