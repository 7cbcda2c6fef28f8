"""Answers predictions that wait at the same time in one forward pass.

Nobody waits for company. A call that is alone under way is answered on the spot. One that is not waits for
the event loop's next turn, the very next thing the loop does, and shares a pass with all that came by then.
"""

import asyncio
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from server.call_counts import CallCounts
from server.ports import Predictor

_Waiting = tuple[list[NDArray[np.float32]], list["asyncio.Future[float]"]]


class Coalescer:
    """Collects predictions of one event loop.

    Attributes:
        batch_sizes: How many passes there were of each size.
    """

    def __init__(self, counts: CallCounts) -> None:
        """Starts with nothing waiting; belongs to the running event loop.

        Args:
            counts: Knows how many calls are under way.
        """
        self.batch_sizes: Counter[int] = Counter()
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Predictor, _Waiting] = {}

    async def predict(
        self,
        predictor: Predictor,
        track_id: str,
        favourite_genres: tuple[str, ...],
        context: ListenerContext | None = None,
    ) -> float:
        """Returns one play-through probability. To cancel it concerns nobody else.

        Args:
            predictor: Model to ask.
            track_id: Track about to be played.
            favourite_genres: The listener's.
            context: What else is known about the listener.

        Raises:
            models.UnknownTrackError: The catalogue lacks the track.
        """
        started = predictor.start(track_id, favourite_genres, context)
        if self._counts.in_flight < 2:  # a future and two turns of the loop cost more than the pass itself
            self.batch_sizes[1] += 1
            return predictor.finish([started])[0]
        return await self._join(predictor, started)

    def _join(self, predictor: Predictor, started: NDArray[np.float32]) -> "asyncio.Future[float]":
        """Takes a seat in the next pass."""
        future = self._loop.create_future()
        waiting = self._waiting.get(predictor)
        if waiting is None:
            if not self._waiting:
                self._loop.call_soon(self._answer)
            self._waiting[predictor] = ([started], [future])
        else:
            waiting[0].append(started)
            waiting[1].append(future)
        return future

    def _answer(self) -> None:
        """Answers all that wait; an error of one model is its callers' alone."""
        waiting, self._waiting = self._waiting, {}
        for predictor, (started, futures) in waiting.items():
            live = [index for index, future in enumerate(futures) if not future.done()]
            if len(live) < len(futures):  # some callers have gone: their work is not done
                started = [started[index] for index in live]
                futures = [futures[index] for index in live]
            if not futures:
                continue
            self.batch_sizes[len(futures)] += 1
            try:
                probabilities = predictor.finish(started)
            except Exception as error:
                for future in futures:
                    future.set_exception(error)
                continue
            for future, probability in zip(futures, probabilities, strict=True):
                future.set_result(probability)
