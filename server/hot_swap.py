"""Watches the registry, and swaps a new version in while the old one serves."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import structlog

from server.errors import StartError
from server.library import Library
from server.model_loading import Key, ModelLoader

_log = structlog.get_logger("server.hot_swap")


class RegistryWatch:
    """Looks at the registry again and again.

    It polls: a look is a few dozen `stat` calls, and it works on network file systems and in containers,
    where notifications do not arrive.
    """

    def __init__(
        self,
        loader: ModelLoader,
        swap: Callable[[Library], Awaitable[None]],
        *,
        interval_s: float,
        versions_kept: int,
    ) -> None:
        """Takes what to do.

        Args:
            loader: Loads what is new.
            swap: Is given each new library.
            interval_s: Time between two looks, in seconds.
            versions_kept: How many versions of a name to keep loaded.
        """
        self._loader = loader
        self._swap = swap
        self._interval_s = interval_s
        self._versions_kept = versions_kept
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch in the background."""
        self._task = asyncio.create_task(self._run(), name="registry-watch")

    async def stop(self) -> None:
        """Ends the watch."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        handled: Mapping[Key, object] | None = None
        before: Mapping[Key, object] | None = None
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                now = await asyncio.to_thread(self._loader.scan)
                # Two equal looks in a row: nobody is copying files there at this moment.
                if now != handled and now == before:
                    await self._refresh()
                    handled = now
                before = now
            except StartError as error:
                _log.error("registry_unusable", reason=str(error))
                handled = before = now
            except Exception:
                _log.exception("registry_watch_failed")

    async def _refresh(self) -> None:
        library = await asyncio.to_thread(self._loader.load, self._versions_kept)
        await self._swap(library)
        serving = {name: model.predictor.version for name, model in library.serving.items()}
        _log.info("models_swapped", serving=serving, failed=len(library.failed))
