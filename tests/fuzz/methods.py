"""Calls a method with made requests, and says what came of it."""

import argparse
import asyncio
import math
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

import grpc
from google.protobuf.descriptor import MethodDescriptor

from tests.fuzz.calls import Call, check, in_process, made_requests, over
from tests.fuzz.memory import MOST_S, memory_folder, resident_bytes
from tests.fuzz.messages import MessageMaker
from tests.fuzz.served import METHODS, Served, serving

_LOG_EVERY = 2_000
_MAX_FINDINGS = 20


@dataclass
class Tally:
    """What came of many calls of a method.

    Attributes:
        codes: How often each status code came.
        findings: What broke the contract: why, and the request's bytes.
        slowest_s: Processor time of the slowest call, in seconds; other work on the machine does not count.
        slowest: That call's request.
        resident_bytes: Memory of the process after every two thousand calls.
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
    until_s: float = math.inf,
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
            tally.resident_bytes.append(resident_bytes())
        if len(tally.findings) >= _MAX_FINDINGS or time.monotonic() > until_s:
            break
    served.forget_log()
    return tally


async def ask_one(
    served: Served, call: Call, method: MethodDescriptor, content: bytes, tally: Tally | None = None
) -> str:
    """Returns what is wrong with how a method answers some bytes; empty for nothing."""
    try:
        ended = await call(method, content)
        if tally is not None:
            tally.codes[ended.code.name] += 1
        check(method, ended)
    except Exception as error:  # whatever it is, it is a finding
        problem = f"{type(error).__name__}: {error}"
        return "\n".join([problem, *served.journal.take()])
    return "\n".join(served.journal.take())


def run(options: argparse.Namespace, found: Path) -> int:
    """Calls a method as a command line asks; returns 1 when something was found.

    Args:
        options: The command line.
        found: Folder for the requests at fault.
    """
    if options.name not in METHODS:
        raise SystemExit(f"no method or decoder {options.name!r}: choose from {', '.join(METHODS)}")
    return asyncio.run(_run(METHODS[options.name], options, found))


async def _run(method: MethodDescriptor, options: argparse.Namespace, found: Path) -> int:
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(Path(stack.enter_context(memory_folder()))))
        call = in_process(served.handlers)
        if options.network:
            call = over(await stack.enter_async_context(grpc.aio.insecure_channel(served.address)))
        if options.input:
            problem = await ask_one(served, call, method, options.input.read_bytes())
            print(problem or "answered as the contract says")
            return int(bool(problem))
        started = time.monotonic()
        until_s = started + options.seconds if options.seconds else math.inf
        tally = await ask(served, call, method, options.inputs, options.seed, until_s)
        _report(method.name, tally, time.monotonic() - started, found)
        return int(bool(tally.findings) or tally.slowest_s > MOST_S)


def _report(name: str, tally: Tally, seconds: float, found: Path) -> None:
    """Shows what came of the calls, and writes the requests at fault."""
    codes = ", ".join(f"{code} {count:,}" for code, count in tally.codes.most_common())
    shown = tally.resident_bytes[:: max(1, len(tally.resident_bytes) // 10)]
    resident = " ".join(f"{size >> 20}" for size in shown)
    print(f"{name}: {tally.codes.total():,} requests in {seconds:.0f} s: {codes}")
    print(f"  slowest: {tally.slowest_s * 1000:.0f} ms of processor time; resident, in MiB: {resident}")
    found.mkdir(parents=True, exist_ok=True)
    (found / "slowest").write_bytes(tally.slowest)
    for number, (problem, content) in enumerate(tally.findings):
        (found / f"finding-{number}").write_bytes(content)
        print(f"  {found / f'finding-{number}'}: {problem}")
