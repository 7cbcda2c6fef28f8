"""Ctrl-C while a command's modules load ends it with status 130 and no traceback."""

import os
import signal
import sys
from subprocess import PIPE, Popen

import pytest

from tests.paths import ROOT


@pytest.mark.parametrize("package", ["data", "trainer", "server", "cache_client"])
def test_ctrl_c_while_modules_load_is_no_traceback(package: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", package, "--help"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"}
    with Popen(command, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("data.errors" in line for line in process.stderr), "it has ended before"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""
