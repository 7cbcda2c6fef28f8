"""The context before a play: what a client would have sent, and the same numbers in training and serving."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data import Dataset
from models import ListenerContext, Predictor, RecentPlay, Registry
from models.artifact import load
from trainer.examples import contexts_at, make_examples
from trainer.options import Options
from trainer.run import choose_models, train_models
from trainer.splits import Split, plays_of_known_tracks, split_dataset


def client_contexts(plays: pd.DataFrame) -> list[ListenerContext]:
    """Returns what a client that remembers its listeners' latest 200 plays sends before each play."""
    memory: defaultdict[int, list[RecentPlay]] = defaultdict(list)
    sent = []
    for play in plays.to_dict("records"):
        recent = memory[play["listener_id"]]
        situation = play["advertisement_before"], play["position"]
        sent.append(ListenerContext(play["premium"], tuple(recent[-200:]), *situation))
        recent.append(RecentPlay(play["track_id"], play["skipped"]))
    return sent


def all_contexts(plays: pd.DataFrame) -> list[ListenerContext]:
    return list(contexts_at(plays, np.arange(len(plays))))


def test_some_rows_contexts_are_those_of_all_rows(tiny_dataset: Dataset) -> None:
    plays = plays_of_known_tracks(tiny_dataset)
    rows = np.array([3, 50, 399])
    everything = all_contexts(plays)
    assert list(contexts_at(plays, rows)) == [everything[row] for row in rows]


def test_a_replayed_session_gives_training_and_serving_equal_numbers(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    options = Options("tuned", Split.TEMPORAL, torch.device("cpu"), epochs=2)
    models, registry = choose_models(["contextual"], "tuned"), Registry(tmp_path)
    list(
        train_models(
            split_dataset(tiny_dataset, options.split),
            registry,
            models,
            options,
            lambda name, epochs: lambda loss: None,
        )
    )
    artifact = load(registry.path("contextual", "1"))
    predictor, plays = Predictor(artifact, tiny_dataset.catalogue), plays_of_known_tracks(tiny_dataset)
    sent = client_contexts(plays)
    trained_on = all_contexts(plays)
    # A client of one listener in several sessions at once would know less: there are a few such plays.
    same = [row for row, (ours, theirs) in enumerate(zip(trained_on, sent, strict=True)) if ours == theirs]
    assert len(same) > 300
    examples = make_examples(artifact.inputs, tiny_dataset.catalogue, plays, trained_on, torch.device("cpu"))
    for row in same[::7]:
        track_id, favourites = plays["track_id"][row], plays["favourite_genres"][row]
        served = predictor.predict([track_id], favourites, sent[row])[0]
        values = examples.inputs(torch.tensor([row])).numpy()[0]
        for number, (weight, bias) in enumerate(artifact.layers):
            values = weight @ (np.maximum(values, 0) if number else values) + bias
        (odds,) = artifact.manifest.calibration(values[1:] - values[:1])
        assert served == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-5)
        queue = predictor.predict([track_id, *plays["track_id"][:20]], favourites, sent[row])
        assert queue[0] == pytest.approx(served, abs=1e-5)
        bare = predictor.predict([track_id], favourites)
        assert bare == pytest.approx(predictor.predict([track_id], favourites, ListenerContext()), abs=1e-6)


def test_an_outcome_changes_only_later_contexts(tiny_dataset: Dataset) -> None:
    plays = plays_of_known_tracks(tiny_dataset)
    other = plays.assign(skipped=plays["skipped"].where(plays.index != 200, ~plays["skipped"]))
    before, after = all_contexts(plays), all_contexts(other)
    assert before[:201] == after[:201]
    assert before[201:] != after[201:]


def test_recipes_of_models_without_context_read_none(tiny_dataset: Dataset, tmp_path: Path) -> None:
    options = Options("tuned", Split.TEMPORAL, torch.device("cpu"), epochs=1)
    models, registry = choose_models(["advanced"], "tuned"), Registry(tmp_path)
    list(
        train_models(
            split_dataset(tiny_dataset, options.split),
            registry,
            models,
            options,
            lambda name, epochs: lambda loss: None,
        )
    )
    predictor = Predictor(load(registry.path("advanced", "1")), tiny_dataset.catalogue)
    tracks = predictor.track_ids[:5]
    known = ListenerContext(True, tuple(RecentPlay(track, True) for track in tracks), True, 4)
    assert not predictor.uses_context
    assert (predictor.predict(tracks, ["rock"], known) == predictor.predict(tracks, ["rock"])).all()
