"""No fit is judged on what it learnt from: neither plays, nor strangers, nor, in time, the past."""

import numpy as np
import pandas as pd
import pytest

from trainer.folds import Fold, draw_folds
from trainer.splits import Split

FORWARD = (Split.TEMPORAL, Split.LISTENER)


def some_plays(n: int = 400, n_skipped: int = 130, n_listeners: int = 10) -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame({
        "started_at": pd.date_range("2024-01-01", periods=n, freq="min"),
        "listener_id": random.permutation(np.arange(n) % n_listeners),
        "skipped": random.permutation(np.arange(n) < n_skipped),
    })  # fmt: skip


def rows_of(folds: list[Fold]) -> list[list[list[int]]]:
    return [[fold.training.tolist(), fold.known.tolist(), fold.strangers.tolist()] for fold in folds]


@pytest.mark.parametrize("n_folds", [1, 2, 3, 4])
@pytest.mark.parametrize("split", Split)
def test_nothing_is_learnt_of_what_is_judged(split: Split, n_folds: int) -> None:
    plays = some_plays()
    folds = draw_folds(plays, split, n_folds, seed=1)
    assert len(folds) == n_folds
    listeners = plays["listener_id"].to_numpy()
    for fold in folds:
        for rows in (fold.training, fold.known, fold.strangers):
            assert len(rows)
            assert (np.diff(rows) > 0).all()
        assert not set(fold.training) & {*fold.known, *fold.strangers}
        learnt = set(listeners[fold.training])
        assert not learnt & set(listeners[fold.strangers])
        assert set(listeners[fold.known]) <= learnt
        assert len(learnt) == 8, "a fifth of the listeners are strangers"


@pytest.mark.parametrize("n_folds", [1, 2, 3, 4])
@pytest.mark.parametrize("split", FORWARD)
def test_folds_in_time_learn_from_the_past_alone(split: Split, n_folds: int) -> None:
    plays = some_plays()
    times = plays["started_at"].to_numpy()
    ends = []
    for fold in draw_folds(plays, split, n_folds, seed=1):
        judged = np.concatenate((fold.known, fold.strangers))
        assert times[judged].min() > times[fold.training].max()
        assert len(judged) == 80
        ends.append(judged.max())
    assert np.diff([-1, *ends]).min() >= 80, "no play is judged twice"
    assert ends[-1] == len(plays) - 1


def test_a_later_fit_learns_from_more() -> None:
    n_learnt = [len(fold.training) for fold in draw_folds(some_plays(), Split.TEMPORAL, 3, seed=1)]
    assert n_learnt == sorted(n_learnt)
    assert n_learnt[0] < n_learnt[-1]


def test_a_random_splits_folds_are_drawn_all_over_the_time_and_judge_each_play_once_at_most() -> None:
    first, second = draw_folds(some_plays(), Split.RANDOM, 2, seed=1)
    assert not set(first.known) & set(second.known)
    assert not set(first.strangers) & set(second.strangers)
    for fold in (first, second):
        assert fold.known.min() < 40
        assert fold.known.max() > 360
        assert len(fold.strangers) == 80, "all plays of a fifth of the listeners"


@pytest.mark.parametrize("split", Split)
def test_the_seed_decides(split: Split) -> None:
    drawn, again, other = (rows_of(draw_folds(some_plays(), split, 2, seed)) for seed in (1, 1, 2))
    assert drawn == again
    assert drawn != other


@pytest.mark.parametrize("split", Split)
def test_one_listener_alone_is_judged_as_a_known_one(split: Split) -> None:
    for fold in draw_folds(some_plays(n_listeners=1), split, 2, seed=1):
        assert len(fold.known) == 80
        assert len(fold.strangers) == 0
        assert len(fold.training)


def test_few_plays_have_no_folds_nor_have_those_that_would_leave_one_outcome() -> None:
    assert draw_folds(some_plays(100, 34), Split.RANDOM, 2, seed=1) == []
    late = some_plays().assign(skipped=np.arange(400) >= 398)
    assert draw_folds(late, Split.TEMPORAL, 2, seed=1) == []
    assert draw_folds(late, Split.LISTENER, 2, seed=1) == []
