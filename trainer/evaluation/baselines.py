"""What a model has to beat: the majority, the listener's own past, and boosted trees on the same inputs."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from models.features import InputEncoder
from trainer.contexts import RecordedContexts
from trainer.examples import View
from trainer.play_encoder import PlayEncoder
from trainer.splits import Parts

_RATE_PRIOR_PLAYS = 4.0
_TREE_SEEDS = (0, 1, 2)
_PLAYS_AT_ONCE = 4096


def constant_probabilities(parts: Parts) -> NDArray[np.float64]:
    """Returns the training part's play-through rate for every play of the test part, (n_test,)."""
    return _in_turns(parts, lambda part: np.full(len(part.test_rows), 1 - part.training["skipped"].mean()))


def past_rate_probabilities(parts: Parts, contexts: RecordedContexts) -> NDArray[np.float64]:
    """Returns the play-through rate of each listener's latest 200 plays before the play, (n_test,).

    A short past is shrunk towards the training part's rate.

    Args:
        parts: The run's plays.
        contexts: What was known before each of them.
    """

    def rates(part: Parts) -> NDArray[np.float64]:
        prior = 1 - part.training["skipped"].mean()
        found = np.empty(len(part.test_rows))
        for some in np.array_split(np.arange(len(found)), len(found) // _PLAYS_AT_ONCE + 1):
            past = contexts.histories(part.test_rows[some])
            n_heard = past.played_through.sum(axis=1)
            found[some] = (n_heard + _RATE_PRIOR_PLAYS * prior) / (past.n_plays + _RATE_PRIOR_PLAYS)
        return found

    return _in_turns(parts, rates)


def _in_turns(parts: Parts, predict: Callable[[Parts], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns what each turn predicts of its own test part, put together, (n_test,)."""
    probabilities = np.empty(len(parts.plays))
    for part in parts.turns:
        probabilities[part.test_rows] = predict(part)
    return probabilities[parts.test_rows]


def trees_available() -> bool:
    """Returns whether LightGBM is installed; only benchmarks and reports use it."""
    return find_spec("lightgbm") is not None


def tree_probabilities(
    encoders: Sequence[InputEncoder], parts: Parts, contexts: RecordedContexts
) -> NDArray[np.float64]:
    """Returns what LightGBM predicts from a model's own inputs, three seeds averaged, (n_test,).

    300 trees at a learning rate of 0.03; rows and columns are sampled, or the seeds would agree. Where the
    test part is of strangers the trees are grown without favourite genres, as they serve them.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.

    Args:
        encoders: Encoder of the model to compare with, of each turn.
        parts: The run's plays.
        contexts: What was known before each of them.
    """
    from lightgbm import Booster, Dataset, train

    encoder_of = dict(zip(parts.turns, encoders, strict=True))
    view = View.STRANGER if parts.rounds else View.KNOWN_TO_TREES

    def grow(part: Parts) -> NDArray[np.float64]:
        def inputs(plays: pd.DataFrame) -> NDArray[np.float32]:
            cpu = torch.device("cpu")
            encoder = PlayEncoder(encoder_of[part], parts.dataset.catalogue, contexts, plays, cpu)
            return encoder.encode(seed=0).dense_inputs(np.arange(len(plays)), view)

        training = part.training_in_time
        known = Dataset(inputs(training), label=(~training["skipped"].to_numpy(dtype=bool)).astype(np.int64))
        asked = inputs(part.test)
        probabilities = np.zeros(len(asked))
        for seed in _TREE_SEEDS:
            settings = {
                "objective": "binary", "learning_rate": 0.03, "bagging_fraction": 0.8, "bagging_freq": 1,
                "feature_fraction": 0.8, "seed": seed, "verbose": -1, "num_threads": 2, "deterministic": True,
            }  # fmt: skip
            booster: Booster = train(settings, known, num_boost_round=300)
            probabilities += np.asarray(booster.predict(asked)) / len(_TREE_SEEDS)
        return probabilities

    return _in_turns(parts, grow)
