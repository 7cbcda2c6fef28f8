"""The report of a run is one page that needs nothing else, and names every model and baseline."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data import Dataset
from models import Registry
from trainer.evaluation import baselines, leaderboard
from trainer.evaluation.leaderboard import without_context_score
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
    write_report(tmp_path / "new" / "run.html", results, parts, registry, OPTIONS, "Models of <tiny>")
    html = (tmp_path / "new" / "run.html").read_text()
    for text in (
        "simple",
        "contextual",
        "majority",
        "listener&#39;s past rate",
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
    bare = without_context_score(results[1], parts, registry)
    assert bare is not None
    assert bare.metrics != results[1].metrics
    assert without_context_score(results[0], parts, registry) is None


def test_a_listeners_past_rate_is_of_the_plays_before(tiny_dataset: Dataset) -> None:
    parts = split_dataset(tiny_dataset, OPTIONS.split)
    found = baselines.listener_rate_probabilities(parts)
    play = parts.test.iloc[0]
    before = parts.plays[: parts.test.index[0]]
    mine = before[before["listener_id"] == play["listener_id"]][-200:]
    prior = 1 - parts.training["skipped"].mean()
    assert found[0] == pytest.approx(((~mine["skipped"]).sum() + 4 * prior) / (len(mine) + 4), abs=0.03)
    assert np.ptp(baselines.majority_probabilities(parts)) == 0


def test_boosted_trees_see_the_models_inputs(tiny_dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm", reason="LightGBM is for development only")
    from models.artifact import load

    registry, parts = Registry(tmp_path), split_dataset(tiny_dataset, OPTIONS.split)
    models = choose_models(["contextual"], "tuned")
    list(train_models(parts, registry, models, OPTIONS, silent))
    found = baselines.tree_probabilities(load(registry.path("contextual", "1")).inputs, parts)
    assert found.shape == (len(parts.test),)
    assert ((found > 0) & (found < 1)).all()
    assert found.std() > 0.01
