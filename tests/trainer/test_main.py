"""What the trainer's process writes and leaves, off a terminal and after Ctrl-C."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

from data import generate
from models import Registry
from tests.paths import ROOT


def test_ctrl_c_in_the_training_keeps_what_is_exported(tmp_path: Path) -> None:
    generate(tmp_path / "data", listeners=8, tracks=200, plays=700, seed=1)
    command = [sys.executable, "-m", "trainer", "--data", "data", "--models", "m"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"}
    with Popen(command, cwd=tmp_path, env=environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("training advanced" in line for line in process.stderr), "it has ended before"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("error: interrupted: the models exported so far stay")
    assert "Traceback" not in err
    assert out == ""
    assert Registry(tmp_path / "m").names() == ["simple"]


def test_off_a_terminal_each_stage_is_a_plain_line(tmp_path: Path) -> None:
    generate(tmp_path / "data", listeners=8, tracks=60, plays=200, seed=1)
    command = [sys.executable, "-m", "trainer", "--data", "data", "--models", "m", "--epochs", "1"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", "TERM": "xterm-256color"}
    with Popen(command, cwd=tmp_path, env=environment, stdout=PIPE, stderr=PIPE, text=True) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    trained = [f"training {name}: 3 epochs at most" for name in ("simple", "advanced", "contextual")]
    assert err.splitlines() == ["reading data: done", *trained]
    assert "exported version" in out
    assert "\x1b" not in out + err
