"""Answers predictions that wait at the same time in one forward pass.

Nobody waits for company: a pass runs as soon as the event loop has handled what had already arrived, which is
the very next thing it does. Under load more has arrived, so that the batches grow just when that pays.
"""

import asyncio
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from models.context import ListenerContext
from server.ports import Predictor

_Waiting = tuple[list[NDArray[np.float32]], list["asyncio.Future[float]"]]


class Coalescer:
    """Collects predictions of one event loop.

    Attributes:
        batch_sizes: How many passes there were of each size.
    """

    def __init__(self) -> None:
        """Starts with nothing waiting; belongs to the running event loop."""
        self.batch_sizes: Counter[int] = Counter()
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Predictor, _Waiting] = {}

    def predict(
        self,
        predictor: Predictor,
        track_id: str,
        favourite_genres: tuple[str, ...],
        context: ListenerContext | None = None,
    ) -> "asyncio.Future[float]":
        """Asks for one play-through probability.

        Args:
            predictor: Model to ask.
            track_id: Track about to be played.
            favourite_genres: The listener's.
            context: What else is known about the listener.

        Returns:
            The probability, soon. To cancel it concerns nobody else.

        Raises:
            models.UnknownTrackError: The catalogue lacks the track.
        """
        started = predictor.start(track_id, favourite_genres, context)
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
