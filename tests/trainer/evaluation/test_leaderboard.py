"""Models and baselines are measured on the same plays, each baseline as it is called."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from data import Dataset
from models import Registry
from trainer.contexts import RecordedContexts
from trainer.evaluation import baselines
from trainer.evaluation.leaderboard import Leaderboard
from trainer.evaluation.measurement import auc_within_listeners
from trainer.options import Options
from trainer.run import Trained, choose_models, train_models
from trainer.splits import Parts, Split, split_dataset

OPTIONS = Options("tuned", Split.TEMPORAL, torch.device("cpu"), epochs=1)


def silent(name: str, epochs: int) -> Callable[[float], None]:
    return lambda loss: None


@pytest.fixture(scope="module")
def parts(tiny_dataset: Dataset) -> Parts:
    return split_dataset(tiny_dataset, OPTIONS.split)


@pytest.fixture(scope="module")
def results(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> list[Trained]:
    registry, models = (
        Registry(tmp_path_factory.mktemp("m")),
        choose_models(["simple", "contextual"], "tuned"),
    )
    return list(train_models(parts, registry, models, OPTIONS, silent))


@pytest.fixture(scope="module")
def leaderboard(parts: Parts) -> Leaderboard:
    return Leaderboard(parts)


def past_rates(parts: Parts) -> np.ndarray:
    return baselines.past_rate_probabilities(parts, RecordedContexts(parts.plays, parts.dataset.catalogue))


def test_a_model_is_scored_on_what_it_answered(leaderboard: Leaderboard, results: list[Trained]) -> None:
    for result in results:
        score = leaderboard.model(result)
        assert (score.name, score.metrics) == (result.name, result.metrics)
        found, parts = result.tested.probabilities, leaderboard.parts
        assert score.within_listeners == auc_within_listeners(found, parts.outcomes, parts.listener_of)
        assert sum(band.n for band in score.bands) == len(found) == 80


def test_a_contextual_model_is_also_scored_without_context(
    leaderboard: Leaderboard, results: list[Trained]
) -> None:
    simple, contextual = results
    bare = leaderboard.without_context(contextual)
    assert bare is not None
    assert bare.metrics != contextual.metrics
    assert leaderboard.without_context(simple) is None


def test_the_baselines_are_the_rate_of_all_and_of_each_listener(leaderboard: Leaderboard) -> None:
    constant, past_rate = leaderboard.baselines()
    assert (constant.name, past_rate.name) == ("constant", "past_rate")
    assert constant.metrics.roc_auc == 0.5
    assert past_rate.metrics.roc_auc != 0.5


def test_a_listeners_past_rate_is_of_the_plays_before(parts: Parts) -> None:
    play = parts.test.iloc[0]
    before = parts.plays[: parts.test.index[0]]
    mine = before[before["listener_id"] == play["listener_id"]][-200:]
    prior = 1 - parts.training["skipped"].mean()
    expected = ((~mine["skipped"]).sum() + 4 * prior) / (len(mine) + 4)
    assert past_rates(parts)[0] == pytest.approx(expected, abs=0.03)


def test_a_strangers_prior_is_the_rate_of_the_others(tiny_dataset: Dataset) -> None:
    parts = split_dataset(tiny_dataset, Split.LISTENER)
    constant, rates = baselines.constant_probabilities(parts), past_rates(parts)
    first = RecordedContexts(parts.plays, tiny_dataset.catalogue).n_known(parts.test_rows) == 0
    assert first.sum() >= 8, "each listener has a first play"
    assert rates[first] == pytest.approx(constant[first])
    for part in parts.turns:
        others = ~parts.plays["listener_id"].isin(part.test["listener_id"])
        expected = 1 - parts.plays["skipped"][others].mean()
        assert constant[part.test_rows] == pytest.approx(expected)


def test_boosted_trees_see_the_models_inputs(
    leaderboard: Leaderboard, results: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm", reason="LightGBM is for development only")
    monkeypatch.setattr(baselines, "_TREE_SEEDS", (0,))
    (score,) = leaderboard.trees(results[1:])
    found = score.probabilities
    assert score.name == "LightGBM, contextual inputs"
    assert found.shape == (len(leaderboard.parts.test_rows),)
    assert ((found > 0) & (found < 1)).all()
    assert found.std() > 0.01


def test_boosted_trees_are_grown_for_strangers_without_favourite_genres(
    tiny_dataset: Dataset, results: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is for development only")
    seen: list[np.ndarray] = []

    class Booster:
        def predict(self, inputs: np.ndarray) -> np.ndarray:
            seen.append(inputs)
            return np.full(len(inputs), 0.5)

    monkeypatch.setattr(lightgbm, "train", lambda *arguments, **settings: Booster())
    parts, encoder = split_dataset(tiny_dataset, Split.LISTENER), results[1].tested.encoders[0]
    contexts = RecordedContexts(parts.plays, tiny_dataset.catalogue)
    n_context, n_clusters = encoder.n_context_inputs, encoder.genres.n_clusters
    assert (baselines.tree_probabilities([encoder] * 5, parts, contexts) == 0.5).all()
    genres = slice(-n_context - n_clusters, -n_context)
    assert not any(inputs[:, genres].any() for inputs in seen)
    seen.clear()
    baselines.tree_probabilities([encoder], split_dataset(tiny_dataset, OPTIONS.split), contexts)
    assert all(inputs[:, genres].any() for inputs in seen)
