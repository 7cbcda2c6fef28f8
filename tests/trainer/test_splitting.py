"""Which plays are learnt from and which are kept for the test."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from trainer.errors import TrainingError
from trainer.splitting import Split, parse_split, split_plays, validation_rows


def some_plays(n: int, skipped: int) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=n, freq="min")
    return pd.DataFrame({"started_at": times, "skipped": [row % n < skipped for row in range(0, 7 * n, 7)]})


def test_the_random_split_is_the_published_one() -> None:
    plays = some_plays(100, 34)
    training, test = split_plays(plays, Split.RANDOM)
    expected_training, expected_test = train_test_split(range(100), test_size=0.2, random_state=42)
    assert training.index.tolist() == expected_training
    assert test.index.tolist() == expected_test


def test_the_temporal_split_tests_on_the_last_fifth() -> None:
    training, test = split_plays(some_plays(101, 34), Split.TEMPORAL)
    assert (len(training), len(test)) == (80, 21)
    assert training["started_at"].max() < test["started_at"].min()


@pytest.mark.parametrize(
    ("n", "skipped", "said"),
    [
        (10, 5, "10 plays are too few"),
        (0, 0, "0 plays are too few"),
        (100, 0, "of 80 plays to train on 0 were skipped"),
        (100, 100, "of 80 plays to train on 80 were skipped"),
    ],
)
def test_what_cannot_be_trained_on_is_said(n: int, skipped: int, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        split_plays(some_plays(n, skipped), Split.RANDOM)


def test_an_unknown_split_is_said() -> None:
    assert parse_split("temporal") is Split.TEMPORAL
    with pytest.raises(TrainingError, match="unknown split 'sideways': choose one of random, temporal"):
        parse_split("sideways")


def test_the_validation_part_is_the_last_plays_of_a_temporal_split_and_drawn_of_a_random_one() -> None:
    training = some_plays(400, 130)
    last = validation_rows(training, Split.TEMPORAL, seed=1)
    assert np.flatnonzero(last).tolist() == list(range(340, 400))
    drawn, again, other = (validation_rows(training, Split.RANDOM, seed) for seed in (1, 1, 2))
    assert drawn.sum() == 60
    assert (drawn == again).all()
    assert (drawn != other).any()
    assert (drawn != last).any()


def test_no_validation_part_is_carved_from_few_plays_or_leaves_one_outcome() -> None:
    assert not validation_rows(some_plays(100, 34), Split.RANDOM, seed=1).any()
    training = some_plays(400, 0).assign(skipped=np.arange(400) >= 398)
    assert not validation_rows(training, Split.TEMPORAL, seed=1).any()
