"""Asks a method many things, and says what came of it."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

from google.protobuf.descriptor import MethodDescriptor

from tests.fuzz.calls import Call, check, made_requests
from tests.fuzz.memory import resident_bytes
from tests.fuzz.messages import MessageMaker
from tests.fuzz.served import Served

_LOG_EVERY = 2_000
MAX_FINDINGS = 20


@dataclass
class Tally:
    """What came of many calls of a method.

    Attributes:
        codes: How often each status code came.
        findings: What broke the contract: why, and the request's bytes.
        slowest_s: Processor time of the slowest call, in seconds; other work on the machine does not count.
        slowest: That call's request.
        resident_bytes: Memory of the process after each tenth of the calls.
    """

    codes: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, bytes]] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: bytes = b""
    resident_bytes: list[int] = field(default_factory=list)


async def ask(
    served: Served,
    call: Call,
    method: MethodDescriptor,
    inputs: int,
    seed: int,
    until_s: float = float("inf"),
) -> Tally:
    """Calls a method with made requests.

    Args:
        served: The server.
        call: How to call.
        method: The method.
        inputs: How many requests to make.
        seed: Of the numbers that they are made from.
        until_s: When to stop in any case, by the monotonic clock, in seconds.
    """
    random = Random(f"{method.name} {seed}")
    maker, tally = MessageMaker(random, served.words), Tally()
    requests = islice(made_requests(method, maker, random), inputs)
    for number, content in enumerate(requests, start=1):
        started = time.process_time()
        problem = await ask_one(served, call, method, content, tally)
        spent_s = time.process_time() - started
        if spent_s > tally.slowest_s:
            tally.slowest_s, tally.slowest = spent_s, content
        if problem:
            tally.findings.append((problem, content))
        if number % _LOG_EVERY == 0:
            served.forget_log()
            await asyncio.sleep(0)
        if number % max(1, inputs // 10) == 0:
            tally.resident_bytes.append(resident_bytes())
        if len(tally.findings) >= MAX_FINDINGS or time.monotonic() > until_s:
            break
    served.forget_log()
    return tally


async def ask_one(
    served: Served, call: Call, method: MethodDescriptor, content: bytes, tally: Tally | None = None
) -> str:
    """Returns what is wrong with how a method answers some bytes, in a line or a traceback; empty for nothing."""
    try:
        ended = await call(method, content)
        if tally is not None:
            tally.codes[ended.code.name] += 1
        check(method, ended)
    except Exception as error:  # whatever it is, it is a finding
        problem = f"{type(error).__name__}: {error}"
        return "\n".join([problem, *served.journal.take()])
    return "\n".join(served.journal.take())


def write_findings(tally: Tally, folder: Path) -> list[Path]:
    """Writes the requests of all findings into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (problem, content) in enumerate(tally.findings):
        path = folder / f"finding-{number}"
        path.write_bytes(content)
        path.with_suffix(".txt").write_text(problem)
        paths.append(path)
    return paths
