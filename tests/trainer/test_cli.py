"""The command line: results for programs, one clear line for what a person can mend."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from data import DataError, read_dataset
from models import Artifact, Registry
from trainer.cli import app

SCORE = {
    "accuracy", "majority_accuracy", "roc_auc", "log_loss", "brier", "ece", "roc_auc_within_listeners",
    "ece_by_chance", "ece_by_chance_range95", "debiased_calibration_error", "ci95", "by_known_plays",
}  # fmt: skip
METRICS = SCORE | {"version", "refitted", "n_train", "n_test", "train_seconds"}
BANDS = ["0", "1-2", "3-9", "10-29", "30-99", "100-"]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    """Returns the one line that a failed command left on stderr."""
    assert result.exit_code not in (0, None), result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_json_on_stdout_is_the_agreed_shape_and_nothing_else(tiny_data: Path, tmp_path: Path) -> None:
    result = invoke("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 2, "--json", "-")
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert {key: content[key] for key in ("dataset", "split", "recipe", "device")} == {
        "dataset": str(tiny_data),
        "split": "random",
        "recipe": "tuned",
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
    assert list(content["models"]) == ["simple", "advanced", "contextual"]
    assert list(content["baselines"]) == ["constant", "past_rate"]
    for name, model in content["models"].items():
        assert set(model) - {"without_context"} == METRICS
        assert ("without_context" in model) == (name == "contextual")
        assert Registry(tmp_path / "m").versions(name) == [model["version"]] == ["1"]
    assert set(content["models"]["contextual"]["without_context"]) == SCORE
    for score in (*content["models"].values(), *content["baselines"].values()):
        assert set(score) >= SCORE
        assert list(score["by_known_plays"]) == BANDS
        for band in score["by_known_plays"].values():
            assert set(band) == {"n", "log_loss", "roc_auc", "accuracy", "ci95"}
        assert sum(band["n"] for band in score["by_known_plays"].values()) == 80
    assert "accuracy of the majority" in result.stderr
    assert "strangers" not in result.stderr, "only whole listeners held out are strangers"


def test_a_listener_run_shows_strangers_first(tiny_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    common = ("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 1, "--json", file)
    result = invoke("simple", "--split", "listener", *common)
    assert result.exit_code == 0, result.stderr
    strangers, others = result.stdout.index("strangers"), result.stdout.index("on the test part")
    assert strangers < others
    table = result.stdout[strangers:others]
    for text in ("simple", "constant", "past rate", *BANDS, "all"):
        assert text in table, text
    content = json.loads(file.read_text())
    assert content["split"] == "listener"
    assert content["models"]["simple"]["refitted"] is True
    assert content["models"]["simple"]["n_test"] == 400


@pytest.mark.parametrize("flags", [["--refit"], ["--split", "listener"]])
def test_resume_cannot_keep_what_has_seen_its_test_part(
    flags: list[str], tiny_data: Path, tmp_path: Path
) -> None:
    result = invoke("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 1, "--resume", *flags)
    assert "--resume cannot keep a model that learnt from all plays" in said(result)
    assert Registry(tmp_path / "m").names() == []


def test_named_models_json_file_and_table(tiny_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    common = ("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 2, "--json", file)
    result = invoke("advanced", "--split", "temporal", *common)
    assert result.exit_code == 0, result.stderr
    assert list(json.loads(file.read_text())["models"]) == ["advanced"]
    assert "temporal split" in result.stdout
    assert invoke("advanced", *common).exit_code == 0
    assert Registry(tmp_path / "m").versions("advanced") == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["clever"], "unknown model 'clever': choose from simple, advanced, contextual"),
        (["--recipe", "secret"], "unknown recipe 'secret'"),
        (["--split", "sideways"], "unknown split 'sideways'"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--data", "nowhere"], "nowhere"),
        (["--models", "a_file"], "a_file: cannot be written"),
        (["--models", "a_file/below"], "a_file/below: cannot be written"),
        (["--json", "a_file/below"], "a_file: cannot be written"),
        (["--html", "a_file/below"], "a_file: cannot be written"),
        (["--json", "."], ".: cannot be written: Is a directory"),
        (["--html", "."], ".: cannot be written: Is a directory"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(
    arguments: list[str], expected: str, tiny_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "a_file").write_text("")
    result = invoke("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 1, *arguments)
    assert expected in said(result)
    assert Registry(tmp_path / "m").names() == []


def test_settings_come_from_the_environment_and_flags_beat_them(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").symlink_to(tiny_data)
    monkeypatch.setenv("DATA_VERSION", "mine")
    monkeypatch.setenv("PLAYTHROUGH_MODELS", "elsewhere")
    monkeypatch.setenv("CUDA_USE_GPU", "1")
    assert "no usable CUDA device" in said(invoke("simple", "--epochs", 1))
    result = invoke("simple", "--epochs", 1, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert Registry(tmp_path / "elsewhere").names() == ["simple"]
    monkeypatch.setenv("CUDA_USE_GPU", "perhaps")
    assert "CUDA_USE_GPU" in said(invoke("simple", "--epochs", 1))


def test_a_data_set_with_one_outcome_only_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    copied = tmp_path / "one"
    copied.mkdir()
    for file in tiny_data.iterdir():
        lines = [line for line in file.read_text().splitlines(keepends=True) if '"SKIP"' not in line]
        (copied / file.name).write_text("".join(lines))
    assert "320 plays to train on 0 were skipped" in said(
        invoke("--data", copied, "--models", tmp_path / "m")
    )


def test_a_truncated_line_is_named(tiny_data: Path, tmp_path: Path) -> None:
    copied = tmp_path / "cut"
    copied.mkdir()
    for file in tiny_data.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    sessions = copied / "sessions.jsonl"
    sessions.write_bytes(sessions.read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        read_dataset(copied)
    assert str(caught.value) in said(invoke("--data", copied, "--models", tmp_path / "m"))


def test_an_interrupted_run_keeps_what_is_whole(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Registry.add

    def interrupted(registry: Registry, artifact: Artifact) -> Artifact:
        if artifact.manifest.name == "advanced":
            raise KeyboardInterrupt
        return add(registry, artifact)

    monkeypatch.setattr(Registry, "add", interrupted)
    result = invoke("--data", tiny_data, "--models", tmp_path / "m", "--epochs", 1)
    assert "interrupted" in said(result)
    assert result.exit_code == 130
    assert Registry(tmp_path / "m").names() == ["simple"]


def test_help_shows_an_example() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert "python -m trainer simple advanced" in " ".join(result.stdout.split())
