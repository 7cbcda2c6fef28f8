"""`python -m tests.fuzz NAME`: runs a method of the contract or a decoder against a million bad inputs."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from tests.fuzz.calls import in_process, over
from tests.fuzz.methods import Tally, ask, write_findings
from tests.fuzz.served import METHODS, serving

FOUND = Path("var/fuzz")
_MOST_S = 1.0
_MIB = 1 << 20


def main() -> int:
    """Runs what the command line names; returns 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", choices=[*METHODS])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument(
        "--network", action="store_true", help="call over loopback instead of in this process"
    )
    options = parser.parse_args()
    return asyncio.run(_run_method(options))


async def _run_method(options: argparse.Namespace) -> int:
    method = METHODS[options.name]
    with TemporaryDirectory(dir="/dev/shm") as folder:
        async with serving(Path(folder)) as served:
            started = time.monotonic()
            until_s = started + options.seconds
            if options.network:
                async with grpc.aio.insecure_channel(served.address) as channel:
                    tally = await ask(served, over(channel), method, options.inputs, options.seed, until_s)
            else:
                call = in_process(served.handlers)
                tally = await ask(served, call, method, options.inputs, options.seed, until_s)
            return _report(method.name, tally, time.monotonic() - started)


def _report(name: str, tally: Tally, seconds: float) -> int:
    codes = ", ".join(f"{code} {count:,}" for code, count in tally.codes.most_common())
    resident = " ".join(f"{size / _MIB:.0f}" for size in tally.resident_bytes)
    print(f"{name}: {tally.codes.total():,} inputs in {seconds:.0f} s: {codes}")
    print(f"  slowest {tally.slowest_s * 1000:.0f} ms of processor time; resident MiB {resident}")
    for (problem, _), path in zip(tally.findings, write_findings(tally, FOUND / name), strict=True):
        print(f"  {path}: {problem.splitlines()[0] if problem else ''}")
    (FOUND / name / "slowest").write_bytes(tally.slowest)
    return int(bool(tally.findings) or tally.slowest_s > _MOST_S)


if __name__ == "__main__":
    sys.exit(main())
