"""What a command does when its output has nowhere to go, cannot hold every character, or it is to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMANDS = (["--help"], ["validate", "DIRECTORY"], ["validate", "DIRECTORY", "--json", "-"])


def _run(
    arguments: list[str], directory: Path, stdout: Any, encoding: str = "utf-8"
) -> "subprocess.CompletedProcess[bytes]":
    command = [str(directory) if argument == "DIRECTORY" else argument for argument in arguments]
    return subprocess.run(
        [sys.executable, "-m", "data", *command],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_that_went_away_ends_the_command_silently(
    arguments: list[str], small_directory: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        run = _run(arguments, small_directory, stdout=pipe)
    assert run.returncode == 1
    assert b"Traceback" not in run.stderr
    assert b"BrokenPipe" not in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_is_one_line(arguments: list[str], small_directory: Path) -> None:
    with open("/dev/full", "wb") as full:
        run = _run(arguments, small_directory, stdout=full)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == b"error: standard output: no space left on device"
    assert b"Traceback" not in run.stderr


def test_a_closed_standard_output_fails_nothing(small_directory: Path) -> None:
    command = f"exec {sys.executable} -m data validate {small_directory} >&-"
    run = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, check=False)
    assert (run.returncode, run.stderr) == (0, b"")


def test_what_the_encoding_lacks_is_written_as_an_escape(directory: Path) -> None:
    """A shortened value ends in a character that ASCII does not have."""
    users = directory / "users.jsonl"
    users.write_text(
        users.read_text().replace('"favourite_genres": [', f'"favourite_genres": ["{"x" * 90}", null, ')
    )
    run = _run(["validate", "DIRECTORY"], directory, stdout=subprocess.PIPE, encoding="ascii")
    assert run.returncode == 1
    assert b"\\u2026" in run.stdout
    assert run.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
@pytest.mark.parametrize("room", ["trainer", "server", "cache_client"])
def test_the_other_rooms_commands_end_in_one_line_too(room: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", room, "--help"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == b"error: standard output: no space left on device"
    assert b"Traceback" not in run.stderr


def test_sigterm_lets_a_command_clean_up() -> None:
    """As a child process would have to be ended, or a half-written file removed."""
    program = """
import time
from data import terminal

def command_line():
    try:
        print("running", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)

terminal.run(command_line)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"running\n"
        command.terminate()
        assert command.stdout.read() == b"cleaned up\n"
    assert command.returncode == 128 + signal.SIGTERM


# A thread that the interpreter would wait for as it ends.
ENDLESS = "import threading; threading.Thread(target=threading.Event().wait).start(); print('begun', end='');"


@pytest.mark.parametrize(
    ("end", "code"),
    [("raise KeyboardInterrupt", 130), ("raise SystemExit(130)", 130), ("raise SystemExit(3)", 3), ("", 0)],
)
def test_a_command_ends_with_its_own_status_and_output(end: str, code: int) -> None:
    threads = ENDLESS if code == 130 else "print('begun', end='');"
    program = f"from data import terminal\ndef command():\n    {threads} {end}\nterminal.run(command)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "begun", "")
