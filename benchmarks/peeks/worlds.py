"""Made-up experiments whose truth is known: who listens when, and how well the models predict it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.report.moments import Codes, Floats, Moments, daily_moments, sums

DAYS = 28

SPLITS = (0.01, 0.02, 0.05, 0.10, 0.25, 0.50)
"""Shares of the listeners that the smaller arm gets. All splits are cut out of the same simulated plays."""


@dataclass(frozen=True, slots=True)
class World:
    """How made-up listeners play, and how well any model predicts them.

    Attributes:
        name: For `--only`.
        accuracy: Mean over listeners.
        plays: Mean plays of a listener in 28 days.
        listeners: How many come along in all.
        alike: Correlation of the plays of a listener, whose accuracy is drawn from a beta distribution; 0
            where listeners do not differ.
        lopsided: Standard deviation of the logarithm of how active a listener is.
        metric: "accuracy", "brier", "log_loss" or "log_loss_heavy", of wildly wrong probabilities.
        gain: What the smaller arm has more of the metric.
        joining: Share of the listeners who join on the way; the others are there on the first day.
        alike_small: What `alike` is in the smaller arm, if it is another than in the larger; one split then.
        splits: What share of the listeners the smaller arm gets.
    """

    name: str
    accuracy: float
    plays: int
    listeners: int
    alike: float = 0.0
    lopsided: float = 0.0
    metric: str = "accuracy"
    gain: float = 0.0
    joining: float = 0.5
    alike_small: float | None = None
    splits: tuple[float, ...] = SPLITS


def equal_worlds() -> Iterator[World]:
    """Yields the worlds without a difference."""
    for accuracy in (0.6, 0.78, 0.9, 0.98):
        for plays in (1, 5, 20):
            for alike in (0.0, 0.2):
                name = f"accuracy-{accuracy:g}-plays-{plays}" + ("-unlike" if alike else "")
                yield World(name, accuracy, plays, {1: 20_000, 5: 8_000, 20: 5_000}[plays], alike)
    for accuracy in (0.78, 0.98):
        yield World(f"accuracy-{accuracy:g}-lopsided", accuracy, 10, 5_000, alike=0.2, lopsided=1.0)
    yield World("all-from-the-first-day", 0.78, 40, 2_000, alike=0.5, joining=0.0)
    yield World("small-400", 0.78, 5, 400, alike=0.2)
    yield World("small-2000", 0.9, 5, 2_000, alike=0.2)
    yield World("rare-50000", 0.98, 2, 50_000, alike=0.2)
    for metric in ("brier", "log_loss", "log_loss_heavy"):
        yield World(metric.replace("_", "-"), 0.78, 5, 8_000, alike=0.2, metric=metric)
    for split in (0.02, 0.1, 0.5):
        name = f"smaller-arm-unlike-{split:g}"
        yield World(name, 0.9, 10, 4_000, alike_small=0.5, splits=(split,))


def simulate(world: World, random: np.random.Generator) -> Moments:
    """Returns one experiment's moments, (n_splits + 1, n_days), of groups of listeners cut at the splits."""
    n = world.listeners
    group = np.searchsorted(world.splits, random.random(n), side="right")
    active = np.full(n, world.plays)
    if world.lopsided:
        scale = random.lognormal(-(world.lopsided**2) / 2, world.lopsided, n)
        active = 1 + random.poisson((world.plays - 1) * scale)
    joined = random.integers(DAYS, size=n) * (random.random(n) < world.joining)
    if world.plays == 1:
        joined = np.zeros(n, np.intp)  # on whatever day the only play is
    listener = np.repeat(np.arange(n), active)
    day = joined[listener] + (random.random(len(listener)) * (DAYS - joined[listener])).astype(np.intp)
    value = _values(world, group == 0, listener, random)
    key = listener * DAYS + day
    plays = np.bincount(key, minlength=n * DAYS)
    rows = np.flatnonzero(plays)
    totals = sums(key, value, n * DAYS)[rows]
    whose = rows // DAYS
    return daily_moments(
        group[whose],
        whose,
        rows % DAYS,
        plays[rows].astype(np.float64),
        totals,
        (len(world.splits) + 1, DAYS),
    )


def _values(world: World, better: NDArray[np.bool_], listener: Codes, random: np.random.Generator) -> Floats:
    """Returns the value of each play: whether it was predicted right, or the loss."""
    right = _accuracies(world, world.alike, random)
    if world.alike_small is not None:
        right = np.where(better, _accuracies(world, world.alike_small, random), right)
    if world.metric == "accuracy":
        if world.gain:
            right = np.where(better, right + world.gain * (1 - right) / (1 - world.accuracy), right)
        return (random.random(len(listener)) < right[listener]).astype(np.float64)
    truth = right[listener]
    wrong_by = 3.0 if world.metric == "log_loss_heavy" else 0.7
    logit = np.log(np.clip(truth, 1e-6, 1 - 1e-6) / np.clip(1 - truth, 1e-6, 1))
    told = 1 / (1 + np.exp(-logit - wrong_by * random.normal(size=len(truth))))
    happened = random.random(len(truth)) < truth
    of_what_happened = np.where(happened, told, 1 - told).clip(1e-15, 1)
    loss = (1 - of_what_happened) ** 2 if world.metric == "brier" else -np.log(of_what_happened)
    return np.asarray(loss, dtype=np.float64)


def _accuracies(world: World, alike: float, random: np.random.Generator) -> Floats:
    """Returns how well each listener's plays are predicted, (n_listeners,)."""
    if not alike:
        return np.full(world.listeners, world.accuracy)
    size = 1 / alike - 1
    return random.beta(world.accuracy * size, (1 - world.accuracy) * size, world.listeners)
