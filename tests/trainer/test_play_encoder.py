"""Encoded plays: the same numbers in training and serving, histories cut at random, and imagined plays."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data import Dataset
from models import Artifact, ListenerContext, Predictor, RecentPlay, Registry
from models.artifact import load
from trainer.contexts import RecordedContexts, contexts_at
from trainer.examples import Examples, View
from trainer.options import Options
from trainer.play_encoder import PlayEncoder
from trainer.run import choose_models, train_models
from trainer.splits import Split, plays_of_known_tracks, split_dataset

CPU = torch.device("cpu")


def silent(name: str, epochs: int) -> Callable[[float], None]:
    return lambda loss: None


def train_one(name: str, dataset: Dataset, root: Path) -> Artifact:
    options = Options("tuned", Split.TEMPORAL, CPU, epochs=2)
    parts, registry = split_dataset(dataset, options.split), Registry(root)
    list(train_models(parts, registry, choose_models([name], "tuned"), options, silent))
    return load(registry.path(name, "1"))


@pytest.fixture(scope="module")
def contextual(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return train_one("contextual", tiny_dataset, tmp_path_factory.mktemp("contextual"))


@pytest.fixture(scope="module")
def play_encoder(contextual: Artifact, tiny_dataset: Dataset) -> PlayEncoder:
    plays, catalogue = plays_of_known_tracks(tiny_dataset), tiny_dataset.catalogue
    return PlayEncoder(contextual.inputs, catalogue, RecordedContexts(plays, catalogue), plays, CPU)


@pytest.fixture(scope="module")
def examples(play_encoder: PlayEncoder) -> Examples:
    return play_encoder.encode(seed=1)


@pytest.mark.parametrize(("view", "known"), [(View.KNOWN, True), (View.STRANGER, False)])
def test_training_and_serving_have_equal_numbers(
    view: View, known: bool, contextual: Artifact, tiny_dataset: Dataset, examples: Examples
) -> None:
    predictor, plays = Predictor(contextual, tiny_dataset.catalogue), plays_of_known_tracks(tiny_dataset)
    rows = np.arange(0, len(plays), 7)
    for row, context in zip(rows.tolist(), contexts_at(plays, rows), strict=True):
        track_id, favourites = plays["track_id"][row], plays["favourite_genres"][row] if known else []
        served = predictor.predict([track_id], favourites, context)[0]
        values = examples.inputs(torch.tensor([row]), view).numpy()[0]
        for number, (weight, bias) in enumerate(contextual.layers):
            values = weight @ (np.maximum(values, 0) if number else values) + bias
        (odds,) = contextual.manifest.calibration(values[1:] - values[:1])
        assert served == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-5)
        queue = predictor.predict([track_id, *plays["track_id"][:20]], favourites, context)
        assert queue[0] == pytest.approx(served, abs=1e-5)
        bare = predictor.predict([track_id], favourites)
        assert bare == pytest.approx(predictor.predict([track_id], favourites, ListenerContext()), abs=1e-6)


def test_recipes_of_models_without_context_read_none(tiny_dataset: Dataset, tmp_path: Path) -> None:
    predictor = Predictor(train_one("advanced", tiny_dataset, tmp_path), tiny_dataset.catalogue)
    tracks = predictor.track_ids[:5]
    known = ListenerContext(True, tuple(RecentPlay(track, True) for track in tracks), True, 4)
    assert not predictor.uses_context
    assert (predictor.predict(tracks, ["rock"], known) == predictor.predict(tracks, ["rock"])).all()


def test_histories_are_cut_by_the_seed_alone(play_encoder: PlayEncoder, examples: Examples) -> None:
    again, other = play_encoder.encode(seed=1), play_encoder.encode(seed=2)
    assert torch.equal(again.cut_context, examples.cut_context)
    assert not torch.equal(other.cut_context, examples.cut_context)
    assert torch.equal(other.context, examples.context)


def test_a_cut_history_is_whole_gone_or_shorter(examples: Examples) -> None:
    """The first input says whether any history is known; the others are 0 without one."""
    late = torch.arange(200, 400)
    late = late[examples.context[late, 0] != 0]
    whole, cut = examples.context[late], examples.cut_context[late]
    same = (whole == cut).all(dim=1).float().mean()
    gone = (cut[:, 0] == 0).float().mean()
    assert len(late) > 150
    assert 0.3 < same < 0.6
    assert 0.03 < gone < 0.2
    assert not cut[cut[:, 0] == 0, : cut.shape[1] - 3].any()


def test_imagined_plays_are_of_other_tracks_as_often_played(
    play_encoder: PlayEncoder, examples: Examples
) -> None:
    first, second = play_encoder.imagine(examples, copies=2, seed=1)
    assert not torch.equal(first.track_of, examples.track_of)
    assert not torch.equal(first.track_of, second.track_of)
    assert torch.equal(first.track_of.sort().values, examples.track_of.sort().values)
    assert torch.equal(first.listener_of, examples.listener_of)
    assert torch.equal(first.genre_share, examples.genre_share)
    situation = slice(examples.context.shape[1] - 3, None)
    assert torch.equal(first.context[:, situation], examples.context[:, situation])
    assert not torch.equal(first.context, examples.context), "history features are about the track"
