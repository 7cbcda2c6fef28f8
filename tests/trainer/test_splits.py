"""Which plays are learnt from and which are kept for the test."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from trainer.errors import TrainingError
from trainer.splits import Split, draw_folds, parse_split, split_plays


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


def test_folds_are_stretches_of_time_in_a_temporal_split_and_drawn_in_a_random_one() -> None:
    training = some_plays(400, 130)
    stretches = draw_folds(training, Split.TEMPORAL, 3, seed=1)
    assert stretches is not None
    assert (np.diff(stretches) >= 0).all()
    assert np.bincount(stretches).tolist() == [134, 133, 133]
    drawn, again, other = (draw_folds(training, Split.RANDOM, 3, seed) for seed in (1, 1, 2))
    assert drawn is not None
    assert again is not None
    assert other is not None
    assert np.bincount(drawn).tolist() == [134, 133, 133]
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)
    assert not np.array_equal(drawn, stretches)


def test_few_plays_are_not_folded_nor_are_those_that_would_leave_one_outcome() -> None:
    assert draw_folds(some_plays(100, 34), Split.RANDOM, 3, seed=1) is None
    training = some_plays(400, 0).assign(skipped=np.arange(400) >= 398)
    assert draw_folds(training, Split.TEMPORAL, 3, seed=1) is None
