"""The teacher speaks of imagined plays too, adds no outcome to them, and keeps away where plays are few."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainer import teacher
from trainer.examples import Examples
from trainer.teacher import teach


@pytest.fixture
def plays() -> Examples:
    """800 plays of 20 tracks, the first half of which is skipped nine times in ten."""
    random = np.random.default_rng(0)
    track_of = random.integers(20, size=800)
    classes = ((random.random(800) < 0.9) == (track_of >= 10)).astype(np.int64)
    tracks = np.where(np.arange(20) < 10, -1, 1).astype(np.float32)[:, None]
    nothing = np.zeros((800, 0), np.float32)
    arrays = (
        tracks, np.ones((1, 1), np.float32), nothing, nothing, np.ones(800, np.float32), track_of,
        np.zeros(800, np.int64), classes,
    )  # fmt: skip
    return Examples(*map(torch.from_numpy, arrays))


def imagined(plays: Examples, copies: int) -> list[Examples]:
    """Returns the plays before tracks of other plays."""
    random = np.random.default_rng(1)
    orders = (torch.from_numpy(random.permutation(len(plays))) for _ in range(copies))
    return [replace(plays, track_of=plays.track_of[order]) for order in orders]


def test_the_teacher_knows_the_tracks_and_a_part_of_what_happened(plays: Examples) -> None:
    taught = teach(plays, imagined(plays, 1), seed=1)
    assert taught.targets is not None
    assert len(taught) == len(taught.targets) == 1600
    assert taught.targets.shape == (1600, 2), "of a known listener, and of a stranger"
    real, made = taught.targets[:800], taught.targets[800:]
    liked = taught.track_of[800:] >= 10
    assert made[liked].mean() == pytest.approx(0.9, abs=0.05)
    assert made[~liked].mean() == pytest.approx(0.1, abs=0.05)
    played = plays.classes == 1
    assert real[played].min() >= 0.3
    assert real[~played].max() <= 0.7
    liked = plays.track_of >= 10
    for group in (liked, ~liked):
        apart = real[group & played].mean() - real[group & ~played].mean()
        assert apart == pytest.approx(0.3, abs=0.02), "a track's plays differ by what happened alone"
    again = teach(plays, imagined(plays, 1), seed=1).targets
    assert again is not None
    assert torch.equal(taught.targets, again)


def test_the_teacher_is_the_mean_of_several_ensembles(
    plays: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[dict[str, float]] = []
    chances = iter((0.1, 0.3, 0.6, 0.8))

    class Trees:
        def __init__(self, **settings: float) -> None:
            grown.append(settings)
            self.probability = next(chances)

        def fit(self, inputs: NDArray[np.float64], classes: NDArray[np.int64]) -> "Trees":
            return self

        def predict_proba(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.tile([1 - self.probability, self.probability], (len(inputs), 1))

    monkeypatch.setattr(teacher, "HistGradientBoostingClassifier", Trees)
    taught = teach(plays, imagined(plays, 1), seed=2**32 - 1)
    assert len(grown) == 4
    assert len({settings["random_state"] for settings in grown}) == 2, "alike, they would err alike"
    assert taught.targets is not None
    assert sorted(taught.targets[800:].mean(dim=0).tolist()) == pytest.approx([0.2, 0.7])


def test_what_becomes_of_an_imagined_play_is_not_taken_from_the_real_one(plays: Examples) -> None:
    made = imagined(plays, 1)
    turned = [replace(part, classes=1 - part.classes) for part in made]
    first, second = (teach(plays, parts, seed=1).targets for parts in (made, turned))
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)


def test_few_plays_or_no_copies_have_no_teacher(plays: Examples) -> None:
    few = plays.part(np.arange(100))
    assert teach(few, imagined(few, 1), seed=1) is few
    assert teach(plays, [], seed=1) is plays


def test_where_nothing_can_be_told_apart_the_teacher_tells_the_rate(plays: Examples) -> None:
    same = replace(plays, tracks=torch.ones_like(plays.tracks))
    taught = teach(same, imagined(same, 1), seed=1)
    assert taught.targets is not None
    assert taught.targets[800:].numpy() == pytest.approx(plays.classes.float().mean().item())


def test_only_the_teacher_of_known_listeners_sees_favourite_genres(plays: Examples) -> None:
    """Two sets of favourites tell all: the other teacher can but tell the rate."""
    listener_of = plays.classes.clone()
    told = replace(
        plays, tracks=torch.ones_like(plays.tracks), listeners=torch.eye(2), listener_of=listener_of
    )
    targets = teach(told, imagined(told, 1), seed=1).targets
    assert targets is not None
    known, stranger = targets[800:].unbind(dim=1)
    assert known[listener_of == 1].min() > 0.9
    assert known[listener_of == 0].max() < 0.1
    assert stranger.numpy() == pytest.approx(plays.classes.float().mean().item(), abs=0.01)
