"""What is measured of the server in this process goes through its methods, whatever they ask of a call."""

import json
from pathlib import Path

from typer.testing import CliRunner

from benchmarks import recording, worst_request
from data import generate
from tests.server.tiny_models import save_tiny_model


def test_every_kind_of_record_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    result = CliRunner().invoke(recording.app, ["--rounds", "1", "--calls", "5", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert len(json.loads(file.read_text())) == 4


def test_the_dearest_requests_are_answered_and_the_refused_are_refused(
    tmp_path: Path,
) -> None:
    file, data, models = (tmp_path / name for name in ("costs.json", "data", "models"))
    generate(data, listeners=5, tracks=300, plays=1_000)
    save_tiny_model(models, "simple", "1")
    options = ["--data", str(data), "--models", str(models), "--turns", "1"]
    result = CliRunner().invoke(worst_request.app, [*options, "--json", str(file)])
    assert result.exit_code == 0, result.output
    codes = [cost["code"] for cost in json.loads(file.read_text())]
    assert codes == ["OK"] * 16 + ["INVALID_ARGUMENT"] * 6
