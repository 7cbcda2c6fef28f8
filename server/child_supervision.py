"""Processes that the server starts and keeps running: workers, and delivery."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import structlog

from server.backoff import backoff_s
from server.errors import StartError
from server.settings import ServerSettings, child_environment, to_json

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
# One that has run so long was healthy: its end does not continue the failures before.
_HEALTHY_AFTER_S = 30.0
# What a child needs beyond the grace period to close its files and connections.
END_MARGIN_S = 5.0
# What one needs whose end is cut short.
CUT_SHORT_S = 2.0

_log = structlog.get_logger("server.child_supervision")


class Child:
    """One place among the children: a process that is replaced when it ends.

    Attributes:
        ready: Done once the first one has begun its work, or cannot.
    """

    def __init__(
        self,
        name: str,
        module: str,
        settings: ServerSettings,
        *,
        number: int = 0,
        of: int = 1,
        metrics_directory: Path | None = None,
        ended: Callable[[int], None] = lambda pid: None,
    ) -> None:
        """Starts the first process in the background.

        Args:
            name: What it is, in the log.
            module: What it runs: a module that calls `server.child.run_child`.
            settings: The server's.
            number: Which one of several equal children it is, from 0.
            of: How many there are.
            metrics_directory: Where prometheus_client puts what the parent shows; None when it shows nothing.
            ended: Called with the process id of each that has ended.
        """
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        order = {"settings": to_json(settings), "name": name, "number": number, "of": of}
        self._order = json.dumps(order).encode() + b"\n"
        self._name, self._number, self._module = name, number, module
        self._environment = child_environment(metrics_directory)
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._task = asyncio.create_task(self._keep_running(), name=f"{name}-{number}")

    async def stop(self, within_s: float) -> None:
        """Ends it in order; kills it when it takes longer than `within_s` seconds."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            self._task.cancel()
        else:
            self._process.terminate()
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late and self._process is not None:
            _log.error(f"{self._name}_killed", number=self._number)
            self._process.kill()
            await asyncio.wait([self._task])
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()  # retrieved: another child's is the one that is raised

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._stopping:
            began = loop.time()
            try:
                code: int | str | None = await self._run_one()
            except OSError as error:  # no memory for it, too many open files, …
                code = error.strerror
                self._give_up(f"cannot start a {self._name} process: {code}")
            if self._stopping or not self.ready.done() or self.ready.exception() is not None:
                return
            failures = 0 if loop.time() - began > _HEALTHY_AFTER_S else failures + 1
            delay_s = backoff_s(failures, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
            restart_in_s = round(delay_s, 1)
            _log.error(f"{self._name}_ended", number=self._number, exit_code=code, restart_in_s=restart_in_s)
            await asyncio.sleep(delay_s)

    async def _run_one(self) -> int:
        """Runs one process to its end; returns its exit code.

        Raises:
            OSError: When the system starts none.
        """
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            # Its own session: a Ctrl-C in the terminal is for the parent, which ends them in order.
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        if self._stopping:
            process.terminate()
        process.stdin.write(self._order)  # stays open: its end ends the child
        answer = await process.stdout.readline()
        if answer:
            self._handle(json.loads(answer))
        code = await process.wait()
        self._ended(process.pid)
        self._give_up(f"a {self._name} process ended with exit code {code} before it was ready")
        return code

    def _give_up(self, problem: str) -> None:
        """Has the start fail, if this is still the start."""
        if not self.ready.done():
            self.ready.set_exception(StartError(problem))

    def _handle(self, message: dict[str, object]) -> None:
        """Handles a child's message about itself."""
        if "error" not in message:
            _log.info(f"{self._name}_ready", number=self._number)
            if not self.ready.done():
                self.ready.set_result(None)
        elif self.ready.done():
            _log.error(f"{self._name}_failed", number=self._number, reason=message["error"])
        else:
            self.ready.set_exception(StartError(str(message["error"])))
