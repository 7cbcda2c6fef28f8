"""No tomorrow in the inputs: whatever happens after a play leaves what models read of it bit for bit."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from data import Dataset, read_dataset
from models.features import GenreEncoder, InputEncoder
from models.features.genre_tfidf import fit_genres
from tests.data.later_events import CHANGES, Change, go_on_otherwise
from tests.paths import V2
from trainer.contexts import RecordedContexts, contexts_at
from trainer.examples import View
from trainer.play_encoder import PlayEncoder
from trainer.recipes import TUNED, TunedRecipe
from trainer.splits import plays_of_known_tracks
from trainer.tuned import fit_encoder

VIEWS = [view for view in View if view is not View.NEWCOMER]
"""All but the one whose histories are cut at random."""
MOST_ROWS = 300


@dataclass(frozen=True)
class Recording:
    """A data set and a contextual encoder that was fitted on it."""

    dataset: Dataset
    plays: pd.DataFrame
    encoder: InputEncoder


def record(dataset: Dataset) -> Recording:
    plays, recipe = plays_of_known_tracks(dataset), TUNED["contextual"]
    assert isinstance(recipe, TunedRecipe)
    names = [name for genres in dataset.catalogue.tracks["genres"] for name in genres]
    genres: GenreEncoder = fit_genres(names, seed=1)
    contexts = RecordedContexts(plays, dataset.catalogue)
    return Recording(dataset, plays, fit_encoder(recipe, genres, dataset.catalogue, plays, contexts))


@pytest.fixture(scope="module")
def generated(tiny_dataset: Dataset) -> Recording:
    return record(tiny_dataset)


@pytest.fixture(scope="module")
def v2() -> Recording:
    if not V2.is_dir():
        pytest.skip(f"the real data is not at {V2}")
    return record(read_dataset(V2))


def inputs_of(
    recording: Recording, plays: pd.DataFrame, rows: NDArray[np.int64]
) -> list[NDArray[np.float32]]:
    """Returns the inputs of some plays in each view, as a recording that goes on like this one gives them."""
    catalogue = recording.dataset.catalogue
    contexts = RecordedContexts(plays, catalogue)
    encoder = PlayEncoder(recording.encoder, catalogue, contexts, plays.iloc[rows], torch.device("cpu"))
    examples = encoder.encode(seed=1)
    return [examples.dense_inputs(np.arange(len(rows)), view) for view in VIEWS]


def assert_no_tomorrow(recording: Recording, row_share: float, change: Change) -> None:
    plays = recording.plays
    started_at = plays["started_at"][int(row_share * (len(plays) - 1))]
    random = np.random.default_rng(3)
    changed = go_on_otherwise(recording.dataset, started_at, change, random)
    other = plays_of_known_tracks(changed)
    n_past = int((plays["started_at"] <= started_at).sum())
    rows = np.unique(np.linspace(0, n_past - 1, min(n_past, MOST_ROWS)).astype(np.int64))
    assert not changed.sessions.equals(recording.dataset.sessions)
    before, after = (inputs_of(recording, table, rows) for table in (plays, other))
    for view, mine, others in zip(VIEWS, before, after, strict=True):
        assert np.array_equal(mine, others), view
    assert list(contexts_at(plays, rows)) == list(contexts_at(other, rows))


@pytest.mark.parametrize("row_share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("change", CHANGES)
def test_on_generated_plays(change: Change, row_share: float, generated: Recording) -> None:
    assert_no_tomorrow(generated, row_share, change)


@pytest.mark.parametrize("change", CHANGES)
def test_on_v2(change: Change, v2: Recording) -> None:
    assert_no_tomorrow(v2, 0.6, change)


def test_what_happened_before_counts(generated: Recording) -> None:
    """The inputs are not the same whatever happens: an outcome reaches the plays after it."""
    plays = generated.plays
    other = plays.assign(skipped=plays["skipped"].where(plays.index != 200, ~plays["skipped"]))
    rows = np.arange(150, 400)
    before, after = (inputs_of(generated, table, rows) for table in (plays, other))
    for view, mine, others in zip(VIEWS, before, after, strict=True):
        assert np.array_equal(mine[:51], others[:51]), view
        assert np.array_equal(mine, others) == (view is View.BARE), view
