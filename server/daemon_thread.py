"""Threads that nobody has to wait for."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def run_in_daemon_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
    """Returns the future result of a function that runs in a thread of its own.

    The loop waits at its end for threads that `asyncio.to_thread` has started, and the interpreter does as
    well: for a load, seconds. Who cancels this future leaves the thread behind.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as error:
            answer(future.set_exception, error)
        else:
            answer(future.set_result, result)

    def answer(method: Callable[..., None], value: object) -> None:
        def unless_cancelled() -> None:
            if not future.done():
                method(value)

        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(unless_cancelled)

    threading.Thread(target=run, name=getattr(function, "__name__", None), daemon=True).start()
    return future


def abandon(future: "asyncio.Future[T]") -> None:
    """Gives up a result, and an error that nobody has seen."""
    if not future.cancel() and not future.cancelled():
        future.exception()
