"""Which plays are learnt from and which are kept for the test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from data import Dataset, generate, read_dataset
from trainer.errors import TrainingError
from trainer.splits import Split, parse_split, split_dataset, split_plays


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
    with pytest.raises(
        TrainingError, match="unknown split 'sideways': choose one of random, temporal, listener"
    ):
        parse_split("sideways")


def test_the_listener_split_tests_every_play_once_and_nobody_who_was_trained_on(
    tiny_dataset: Dataset,
) -> None:
    parts = split_dataset(tiny_dataset, Split.LISTENER)
    assert len(parts.turns) == 5
    tested = np.concatenate([part.test_rows for part in parts.turns])
    assert sorted(tested) == list(range(len(parts.plays))) == parts.test_rows.tolist()
    for part in parts.turns:
        assert not set(part.training["listener_id"]) & set(part.test["listener_id"])
        assert len(part.training_rows) + len(part.test_rows) == len(parts.plays)
    again = split_dataset(tiny_dataset, Split.LISTENER)
    for part, same in zip(parts.turns, again.turns, strict=True):
        assert np.array_equal(part.test_rows, same.test_rows)


@pytest.mark.parametrize("split", [Split.RANDOM, Split.TEMPORAL])
def test_the_other_splits_have_one_turn_and_the_whole_leaves_nothing_to_test(
    split: Split, tiny_dataset: Dataset
) -> None:
    parts = split_dataset(tiny_dataset, split)
    assert parts.turns == (parts,)
    assert (len(parts.whole.training_rows), len(parts.whole.test_rows)) == (400, 0)


def test_too_few_listeners_for_a_listener_split_are_refused(tmp_path: Path) -> None:
    generate(tmp_path / "data", listeners=4, tracks=40, plays=120, seed=2)
    with pytest.raises(TrainingError, match="4 listeners are too few to hold a fifth of them out"):
        split_dataset(read_dataset(tmp_path / "data"), Split.LISTENER)


def test_a_round_without_both_outcomes_is_refused(tiny_dataset: Dataset) -> None:
    heard_out = tiny_dataset.sessions[tiny_dataset.sessions["event_type"] != "SKIP"].reset_index(drop=True)
    with pytest.raises(TrainingError, match="plays to train on 0 were skipped"):
        split_dataset(replace(tiny_dataset, sessions=heard_out), Split.LISTENER)
