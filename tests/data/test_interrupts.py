"""An interrupted command ends at once; any other ends as it would without."""

import sys
from subprocess import run

import pytest

from tests.paths import ROOT

# A thread that the interpreter would wait for as it ends.
ENDLESS = "import threading; threading.Thread(target=threading.Event().wait).start(); print('begun', end='');"


@pytest.mark.parametrize(
    ("end", "code"),
    [("raise KeyboardInterrupt", 130), ("raise SystemExit(130)", 130), ("raise SystemExit(3)", 3), ("", 0)],
)
def test_a_command_ends_with_its_own_status_and_output(end: str, code: int) -> None:
    threads = ENDLESS if code == 130 else "print('begun', end='');"
    program = f"from data import interrupts\ndef command():\n    {threads} {end}\ninterrupts.run(command)"
    done = run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "begun", "")
