"""What `make demo` runs ends by itself, with models, a table of policies and counted documents."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.paths import ROOT


def demo(data: Path, folder: Path) -> str:
    environment = os.environ | {
        "BIN": str(Path(sys.executable).parent),
        "DATA": str(data),
        "DEMO": str(folder),
        "COLUMNS": "160",
        "MONGODB_URI": "mongodb://127.0.0.1:9/configured",  # which the demo has to leave alone
    }
    done = subprocess.run(
        ["bash", "docs/demo.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_runs_to_its_end_on_generated_data(trained: Any, tmp_path: Path) -> None:
    printed = demo(trained.data, tmp_path / "demo")
    for expected in (
        "listening on 127.0.0.1:",
        "mongodb://127.0.0.1:",
        "next-n-full",
        "advisor",
        "latest_start_s",
        "Done.",
    ):
        assert expected in printed
    assert "\033" not in printed, "a file gets no colours"
    assert re.search(r"│ simple +│ +[1-9]\d* │ +[1-9]\d* │ +[01]\.\d+ │", printed), "documents, with outcomes"
    manifests = [
        json.loads(path.read_text()) for path in (tmp_path / "demo" / "models").rglob("manifest.json")
    ]
    assert {manifest["name"] for manifest in manifests} == {"simple", "advanced", "contextual"}
