"""What a model has to beat: the majority, the listener's own past, and boosted trees on the same inputs."""

from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from models.features import InputEncoder
from trainer.examples import contexts_at, make_examples
from trainer.splits import Parts

_RATE_PRIOR_PLAYS = 4.0
_TREE_SEEDS = (0, 1, 2)


def majority_probabilities(parts: Parts) -> NDArray[np.float64]:
    """Returns the training part's play-through rate for every play of the test part, (n_test,)."""
    return np.full(len(parts.test_rows), 1 - parts.training["skipped"].mean())


def listener_rate_probabilities(parts: Parts) -> NDArray[np.float64]:
    """Returns the play-through rate of each listener's latest 200 plays before the play, (n_test,).

    A short past is shrunk towards the training part's rate.
    """
    prior = 1 - parts.training["skipped"].mean()
    rates = []
    for context in contexts_at(parts.plays, parts.test_rows):
        n_heard = sum(not play.skipped for play in context.recent_plays)
        rates.append((n_heard + _RATE_PRIOR_PLAYS * prior) / (len(context.recent_plays) + _RATE_PRIOR_PLAYS))
    return np.array(rates)


def trees_available() -> bool:
    """Returns whether LightGBM is installed; only benchmarks and reports use it."""
    return find_spec("lightgbm") is not None


def tree_probabilities(encoder: InputEncoder, parts: Parts) -> NDArray[np.float64]:
    """Returns what LightGBM predicts from a model's own inputs, three seeds averaged, (n_test,).

    300 trees at a learning rate of 0.03; rows and columns are sampled, or the seeds would agree.

    Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NeurIPS 2017.

    Args:
        encoder: Encoder of the model to compare with, fitted on the training part.
        parts: The run's plays.
    """
    from lightgbm import Booster, Dataset, train

    training = parts.training_in_time
    training_set = Dataset(
        _inputs(encoder, parts, training.index.to_numpy()),
        label=(~training["skipped"].to_numpy(dtype=bool)).astype(np.int64),
    )
    asked = _inputs(encoder, parts, parts.test_rows)
    probabilities = np.zeros(len(asked))
    for seed in _TREE_SEEDS:
        settings = {
            "objective": "binary", "learning_rate": 0.03, "bagging_fraction": 0.8, "bagging_freq": 1,
            "feature_fraction": 0.8, "seed": seed, "verbose": -1, "num_threads": 2, "deterministic": True,
        }  # fmt: skip
        booster: Booster = train(settings, training_set, num_boost_round=300)
        probabilities += np.asarray(booster.predict(asked)) / len(_TREE_SEEDS)
    return probabilities


def _inputs(encoder: InputEncoder, parts: Parts, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the inputs of plays, (n_plays, n_inputs)."""
    plays, contexts = parts.plays.iloc[positions], contexts_at(parts.plays, positions)
    examples = make_examples(encoder, parts.dataset.catalogue, plays, contexts, torch.device("cpu"))
    return examples.dense_inputs(np.arange(len(examples)))
