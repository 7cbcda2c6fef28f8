"""The challenge's own program gives the scores that we report."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.challenge.checkout import MENDS, NotTheChallenge, mended_copy

CHALLENGE = os.environ.get("SHORT_VIDEO_CHALLENGE")


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotTheChallenge, match=re.escape("there is no run.py")), mended_copy(tmp_path, "low"):
        pass


@pytest.mark.skipif(CHALLENGE is None, reason="SHORT_VIDEO_CHALLENGE names no folder of the challenge")
def test_the_scores_are_those_of_its_command() -> None:
    folder = Path(CHALLENGE or "")
    before = {name: (folder / name).read_bytes() for name in MENDS}
    # The first user and trace of test_user_samples, by nothing of ours but the copy.
    theirs = (
        "import numpy as np, run\n"
        "run.all_cooked_time, run.all_cooked_bw = run.short_video_load_trace.load_trace("
        "'data/network_traces/low/')\n"
        "np.random.seed(np.random.randint(10000, size=(1001, 1))[0])\n"
        "run.seeds = np.random.randint(10000, size=(7, 2))\n"
        "print(repr(float(run.test(True, False, 'no_save', 0, 0)[0])))\n"
    )
    with mended_copy(folder, "low") as copy:
        expected = _last_line(theirs, copy)
    ours = (
        "from pathlib import Path\n"
        "from benchmarks.challenge.session import sessions\n"
        f"print(repr(next(sessions(Path({str(folder)!r}), 'no_save', 'low', [0], [0])).score))\n"
    )
    assert _last_line(ours, Path.cwd()) == expected
    assert before == {name: (folder / name).read_bytes() for name in MENDS}


def _last_line(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.splitlines()[-1]
