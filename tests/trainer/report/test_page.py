"""The report of a run is one page that needs nothing else, and names every model and baseline."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data import Dataset
from models import Registry
from trainer.evaluation import leaderboard
from trainer.evaluation.leaderboard import Leaderboard
from trainer.options import Options
from trainer.report.page import write_report
from trainer.run import choose_models, train_models
from trainer.splits import Split, split_dataset

OPTIONS = Options("tuned", Split.TEMPORAL, torch.device("cpu"), epochs=2)


def silent(name: str, epochs: int) -> Callable[[float], None]:
    return lambda loss: None


def test_a_run_is_one_self_contained_page(
    tiny_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, parts = Registry(tmp_path / "models"), split_dataset(tiny_dataset, OPTIONS.split)
    models = choose_models(["simple", "contextual"], "tuned")
    results = list(train_models(parts, registry, models, OPTIONS, silent))
    monkeypatch.setattr(leaderboard, "trees_available", lambda: False)
    leaders = Leaderboard(parts)
    write_report(tmp_path / "new" / "run.html", results, leaders, OPTIONS, "Models of <tiny>")
    html = (tmp_path / "new" / "run.html").read_text()
    for text in (
        "simple",
        "contextual",
        "constant",
        "past rate",
        "Log loss by known plays",
        "Reliability",
        "Confusion",
        "ROC",
        "by chance alone",
        "calibration error beyond chance",
    ):
        assert text in html, text
    assert "Models of &lt;tiny&gt;" in html
    assert "LightGBM" not in html, "it is not there to compare with"
    assert not re.search(r"<script|<img|https?://(?!www\.w3\.org)|href=\"(?!#|data:)", html)
    titles = re.findall(r"<h2[^>]*>([^<]*)", html)
    assert titles[0] == "How much is known of the listener"
