"""Every record of a process is one line of JSON, whoever writes it, and no traceback shows a variable."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from server.diagnostic_log import stack_of

ALL_KINDS = """
import asyncio, gc, logging, sys, threading, warnings
import structlog, uvloop
from server.diagnostic_log import configure_logs, log_the_uncaught

configure_logs("debug", sys.argv[1], worker=3)
log_the_uncaught()

def fails(secret_local):
    raise ValueError("two\\nlines")

class Broken:
    def __del__(self):
        fails("not shown")

async def left_alone():
    fails("not shown")

async def main():
    task = asyncio.create_task(left_alone())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    asyncio.get_running_loop().call_soon(fails, "not shown")
    await asyncio.sleep(0.01)

structlog.get_logger("server").info("ours", field="ł")
logging.getLogger("pymongo").warning("a library's: %s", "x")
try:
    fails("not shown")
except ValueError:
    structlog.get_logger("server").exception("ours_failed")
    logging.getLogger("grpc").exception("theirs failed")
warnings.simplefilter("always")
warnings.warn("deprecated\\nover two lines", DeprecationWarning)
uvloop.run(main())
thread = threading.Thread(target=fails, args=("not shown",), name="aside")
thread.start()
thread.join()
Broken()
fails("not shown")
"""


def run(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ALL_KINDS, form], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "auto"])  # no terminal: auto is JSON
def test_each_record_is_one_line_of_json(form: str) -> None:
    records: list[dict[str, Any]] = [json.loads(line) for line in run(form)]
    assert [record["event"].split(":")[0].split(" <")[0] for record in records] == [
        "ours",
        "a library's",
        "ours_failed",
        "theirs failed",
        "python_warning",
        "Task exception was never retrieved\nfuture",
        "Exception in callback",
        "uncaught_in_thread",
        "unraisable",
        "uncaught",
    ]
    for record in records:
        assert {"level", "timestamp"} <= record.keys()
        assert record["worker"] == 3
        assert "secret_local" not in record.get("exception", "")
    assert all("ValueError: two\nlines" in record["exception"] for record in records[-3:])
    assert records[4]["message"] == "deprecated\nover two lines"


def test_the_console_shows_no_local_variable() -> None:
    shown = "\n".join(run("console"))
    assert not shown.startswith("{")
    assert "ValueError: two" in shown
    assert "secret_local" not in shown


def test_a_stack_says_where_and_of_what_kind_and_no_message() -> None:
    def lookup() -> None:
        {"track": 1}["secret-track"]

    try:
        try:
            lookup()
        except KeyError as cause:
            raise ValueError("secret-genre") from cause
    except ValueError as error:
        stack = stack_of(error)
    assert "secret-genre" not in stack.replace('raise ValueError("secret-genre") from cause', "")
    assert stack.index("in lookup") < stack.index("builtins.KeyError") < stack.index("builtins.ValueError")


def test_a_circle_of_causes_has_an_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert stack_of(one).splitlines() == ["builtins.KeyError", "builtins.ValueError"]


@pytest.mark.parametrize(("verbosity", "writes"), [(None, True), ("NONE", False)])
def test_what_grpcs_core_writes_itself_can_be_silenced(verbosity: str | None, writes: bool) -> None:
    script = "import asyncio, grpc\nasync def main(): grpc.aio.server().add_insecure_port('192.0.2.1:1')\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\ntry: asyncio.run(main())\nexcept RuntimeError: pass"],
        env=environment | ({"GRPC_VERBOSITY": verbosity} if verbosity else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("add_port.cc" in done.stderr) is writes
