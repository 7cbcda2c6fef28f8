"""How well one arm predicted what really happened."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from server.report import clustered
from server.report.clustered import Estimate
from server.report.moments import Codes, Floats

N_BINS = 15
_EPSILON = 1e-15
_RANGES = {
    "accuracy": (0.0, 1.0),
    "log_loss": (0.0, math.inf),
    "brier": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "calibration_bias": (-1.0, 1.0),
}
Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Plays of like probability: what was predicted, and what happened, with its interval."""

    predicted: float
    observed: float
    observed_ci95: Interval
    n: int


@dataclass(frozen=True, slots=True)
class ArmReport:
    """An arm's figures. Those that need outcomes are None while there are none.

    An interval is None while there are too few listeners, or too few of the rarer outcome, to tell how far
    chance goes.

    Attributes:
        model: Model that answered.
        version: Its version.
        digest: Identifies the bytes of its artifact; empty in what was logged before artifacts had one.
        probability: Share of the traffic that the arm should get.
        n: Predictions.
        n_outcomes: Predictions with an outcome; the figures below are over these.
        n_listeners: How many listeners those are; a prediction without one counts as one.
        n_effective_listeners: How many equally active listeners would tell as much: at most as many.
        accuracy: Share that skipped or played through as predicted.
        log_loss: Mean negative log likelihood of the outcomes, in nats.
        brier: Mean squared difference between probability and outcome.
        roc_auc: How often a play that was heard out has the higher probability than one that was skipped.
        calibration_bias: Mean probability minus share heard out: above 0, the arm is too hopeful.
        calibration_error: Mean distance of probability and share over 15 bins of equal mass (ECE). It is
            biased upwards when there is little to go by, so that no honest interval surrounds it.
        calibration: The bins themselves.
    """

    model: str
    version: str
    digest: str
    probability: float
    n: int
    n_outcomes: int
    n_listeners: int
    n_effective_listeners: float
    accuracy: float | None = None
    accuracy_ci95: Interval = None
    log_loss: float | None = None
    log_loss_ci95: Interval = None
    brier: float | None = None
    brier_ci95: Interval = None
    roc_auc: float | None = None
    roc_auc_ci95: Interval = None
    calibration_bias: float | None = None
    calibration_bias_ci95: Interval = None
    calibration_error: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()


def with_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Returns the predictions that have an outcome, each with its scores.

    Args:
        predictions: As `frame.FrameColumns` makes them.

    Returns:
        The same columns and `played_through`, `accuracy` (0 or 1), `log_loss` and `brier` of each play.
    """
    judged = predictions[predictions["has_outcome"]].copy()
    skipped = judged["outcome_skipped"].astype(bool)
    probability = judged["play_through_probability"].clip(_EPSILON, 1 - _EPSILON)
    judged["played_through"] = ~skipped
    judged["accuracy"] = (judged["skipped"] == skipped).astype(float)
    judged["log_loss"] = -np.log(np.where(skipped, 1 - probability, probability))
    judged["brier"] = (judged["play_through_probability"] - judged["played_through"]) ** 2
    return judged


def judge_arm(predictions: pd.DataFrame, judged: pd.DataFrame) -> ArmReport:
    """Computes an arm's figures.

    Args:
        predictions: All its predictions.
        judged: Those with outcomes, from `with_scores`.
    """
    first = predictions.iloc[0]
    known: dict[str, Any] = {
        "model": str(first["model"]),
        "version": str(first["version"]),
        "digest": str(first["digest"]),
        "probability": float(first["arm_probability"]),
        "n": len(predictions),
        "n_outcomes": len(judged),
    }
    if not len(judged):
        return ArmReport(**known, n_listeners=0, n_effective_listeners=0.0)
    codes, listeners = pd.factorize(judged["cluster"])
    probabilities = judged["play_through_probability"].to_numpy(dtype=np.float64)
    heard = judged["played_through"].to_numpy(dtype=bool)
    figures = estimate_scores(judged, codes)
    figures["calibration_bias"] = bias = clustered.mean(probabilities - heard, codes)
    bins = _calibration(probabilities, heard, codes)
    error = sum(b.n * abs(b.predicted - b.observed) for b in bins) / len(judged)
    return ArmReport(
        **known,
        n_listeners=len(listeners),
        n_effective_listeners=float(bias.listeners),
        calibration_error=error,
        calibration=bins,
        **values_and_intervals(figures),
    )


def estimate_scores(judged: pd.DataFrame, codes: Codes) -> dict[str, Estimate | None]:
    """Returns accuracy, log loss, Brier score and ROC AUC by name; no AUC where all plays ended alike.

    Args:
        judged: From `with_scores`, at least one play; (n,) rows.
        codes: Whose play each is, as small integers, (n,).
    """
    found: dict[str, Estimate | None] = {
        name: clustered.mean(judged[name].to_numpy(dtype=np.float64), codes)
        for name in ("accuracy", "log_loss", "brier")
    }
    found["roc_auc"] = clustered.roc_auc(
        judged["played_through"].to_numpy(dtype=bool),
        judged["play_through_probability"].to_numpy(dtype=np.float64),
        codes,
    )
    return found


def values_and_intervals(estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Returns each estimate's value under its name, and its interval under its name and `_ci95`."""
    values = {name: None if found is None else float(found.value) for name, found in estimates.items()}
    intervals = {
        f"{name}_ci95": None if found is None else _within(found.ci95, _RANGES[name])
        for name, found in estimates.items()
    }
    return {**values, **intervals}


def _calibration(probabilities: Floats, heard: NDArray[np.bool_], codes: Codes) -> tuple[CalibrationBin, ...]:
    """Cuts the plays, by probability, into bins of equal size."""
    order = np.argsort(probabilities, kind="stable")
    bins = []
    for rows in np.array_split(order, min(N_BINS, len(order))):
        observed = clustered.mean(heard[rows].astype(np.float64), pd.factorize(codes[rows])[0])
        bins.append(
            CalibrationBin(
                float(probabilities[rows].mean()),
                float(observed.value),
                _within(observed.ci95, (0.0, 1.0)),
                len(rows),
            )
        )
    return tuple(bins)


def _within(interval: Interval, bounds: tuple[float, float]) -> Interval:
    return None if interval is None else (max(bounds[0], interval[0]), min(bounds[1], interval[1]))
