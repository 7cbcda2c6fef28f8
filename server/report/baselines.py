"""What an arm has to beat: guesses that need no model, made of what had been heard before each prediction.

Each guess uses only outcomes that were recorded before its prediction was asked for, as the listener's past
rate of `trainer.evaluation` uses only earlier plays.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from server.report.arms import Interval, estimate_scores, values_and_intervals, with_scores
from server.report.moments import Floats

PRIOR_PLAYS = 4.0
"""How many plays the rate counts for that a short past is shrunk towards, as in `trainer.evaluation`."""

_FIRST_GUESS = 0.5


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline's figures over all plays of the phase that have an outcome, whichever arm answered.

    Attributes:
        n_outcomes: How many plays those are.
        accuracy: Share that skipped or played through as guessed; a guess below one half expects a skip.
        log_loss: See `ArmReport`, as for the rest.
    """

    n_outcomes: int
    accuracy: float
    accuracy_ci95: Interval
    log_loss: float
    log_loss_ci95: Interval
    brier: float
    brier_ci95: Interval
    roc_auc: float | None
    roc_auc_ci95: Interval


def judge_baselines(predictions: pd.DataFrame) -> dict[str, Baseline]:
    """Returns the figures of "constant" and "past_rate"; none while there is no outcome.

    Args:
        predictions: As `frame.FrameColumns` makes them.
    """
    columns = ["cluster", "has_outcome", "outcome_skipped", "outcome_recorded_at", "requested_at"]
    judged = predictions.loc[predictions["has_outcome"], columns]
    if judged.empty:
        return {}
    constant = constant_probabilities(judged)
    guesses = {"constant": constant, "past_rate": past_rate_probabilities(judged, constant)}
    return {name: _judge(judged, guess) for name, guess in guesses.items()}


def constant_probabilities(judged: pd.DataFrame) -> Floats:
    """Returns the share heard out of all plays whose outcomes had come before each prediction, (n,).

    Four plays that were heard half of the time are added: the first predictions have nothing to go by.

    Args:
        judged: Predictions with outcomes; (n,) rows.
    """
    return _rates(judged, np.zeros(len(judged), np.int64), np.full(len(judged), _FIRST_GUESS))


def past_rate_probabilities(judged: pd.DataFrame, constant: Floats) -> Floats:
    """Returns the share heard out of the listener's own plays whose outcomes had come before, (n,).

    A short past is shrunk towards the constant at that moment; a prediction without a listener has none.

    Args:
        judged: Predictions with outcomes; (n,) rows.
        constant: Of `constant_probabilities`, (n,).
    """
    return _rates(judged, judged["cluster"].to_numpy(dtype=np.int64), constant)


def _rates(judged: pd.DataFrame, groups: NDArray[np.int64], prior: Floats) -> Floats:
    """Returns each group's share heard out before each prediction, with a prior, (n,)."""
    asked, recorded = (judged[name].to_numpy(dtype="datetime64[us]").astype(np.int64)
                       for name in ("requested_at", "outcome_recorded_at"))  # fmt: skip
    told = np.maximum(recorded, asked)  # clocks of two machines differ: no play may tell of itself
    # A group's moments as one number each, so that one search finds what had come before.
    moments = np.sort(told)
    size = len(moments) + 1
    keys = groups * size + np.searchsorted(moments, told)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    heard = np.concatenate([[0], np.cumsum(~judged["outcome_skipped"].to_numpy(dtype=bool)[order])])
    first = np.searchsorted(keys, groups * size)
    end = np.searchsorted(keys, groups * size + np.searchsorted(moments, asked))
    return np.asarray((heard[end] - heard[first] + PRIOR_PLAYS * prior) / (end - first + PRIOR_PLAYS))


def _judge(judged: pd.DataFrame, guess: Floats) -> Baseline:
    told = judged[["cluster", "has_outcome", "outcome_skipped"]].assign(
        play_through_probability=guess, skipped=guess < 0.5
    )
    found = estimate_scores(with_scores(told), pd.factorize(told["cluster"])[0])
    return Baseline(len(judged), **values_and_intervals(found))
