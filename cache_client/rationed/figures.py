"""What the bytes of a policy bought, with 95 % intervals over listeners."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cache_client.rationed.offers import Offers
from cache_client.simulator.metrics import bootstrap_ci95

Values = NDArray[np.float64]


class Estimate(NamedTuple):
    """A value and its 95 % bootstrap interval over listeners, whose plays stay together."""

    value: float
    low: float
    high: float


class Sums(NamedTuple):
    """What a policy fetched, summed by listener; each (n_listeners,)."""

    fetched_bytes: Values
    heard_bytes: Values  # of those
    heard_s: Values  # the same in seconds
    covered: Values  # plays heard out that were fetched
    completed: Values  # plays heard out


class Figures(NamedTuple):
    """What a policy's bytes bought.

    Attributes:
        wasted_ratio: Share of the fetched bytes that was never heard.
        heard_s_per_mb: Seconds heard of what was fetched, a MB (10⁶ bytes).
        completed_covered: Share of the plays that were heard out whose track was fetched.
        spent_ratio: Share of the budget that was spent.
    """

    wasted_ratio: Estimate
    heard_s_per_mb: Estimate
    completed_covered: Estimate
    spent_ratio: float


class Gain(NamedTuple):
    """A policy beside the listener's past rate and the oracle, on the same plays and budget.

    Attributes:
        less_waste: 1 - the wasted share / that of the past rate.
        more_covered: Share of the plays heard out that was covered, minus that of the past rate.
        share_of_oracle: Of what the oracle covers more than `random` does, the share that this policy does.
    """

    less_waste: Estimate
    more_covered: Estimate
    share_of_oracle: Estimate


def sums_by_listener(offers: Offers, taken: NDArray[np.float64]) -> Sums:
    """Returns what was fetched, by listener.

    Args:
        offers: The plays.
        taken: Of each play of the period, whether it was fetched, or in what share of the draws, (n_plays,).
    """

    def by_listener(values: Values) -> Values:
        return np.bincount(offers.listener, weights=values).astype(np.float64)

    fetched_bytes = taken * offers.size_bytes
    return Sums(
        by_listener(fetched_bytes),
        by_listener(fetched_bytes * offers.heard_share),
        by_listener(taken * offers.heard_s),
        by_listener(taken * offers.played_through),
        by_listener(offers.played_through.astype(np.float64)),
    )


def figures(sums: Sums, budget_bytes: float) -> Figures:
    """Returns what the fetched bytes bought.

    Args:
        sums: What was fetched.
        budget_bytes: What could have been.
    """
    return Figures(
        _estimate(_wasted, sums.fetched_bytes, sums.heard_bytes),
        _estimate(
            lambda s, b, axis: _ratio(s.sum(axis) * 1e6, b.sum(axis)), sums.heard_s, sums.fetched_bytes
        ),
        _estimate(_covered, sums.covered, sums.completed),
        float(sums.fetched_bytes.sum() / budget_bytes),
    )


def gain(policy: Sums, past_rate: Sums, chance: Sums, oracle: Sums) -> Gain:
    """Returns how a policy compares."""

    def less_waste(fetched: Values, heard: Values, by_rate: Values, of_it: Values, axis: int) -> Values:
        # Where the past rate wastes nothing there is nothing to be less than.
        return 1.0 - _ratio(_wasted(fetched, heard, axis), _wasted(by_rate, of_it, axis), where_nothing=1.0)

    def more_covered(a: Values, b: Values, completed: Values, axis: int) -> Values:
        return _covered(a - b, completed, axis)

    def share_of_oracle(a: Values, least: Values, most: Values, axis: int) -> Values:
        return _ratio((a - least).sum(axis), (most - least).sum(axis))

    return Gain(
        _estimate(less_waste, *policy[:2], *past_rate[:2]),
        _estimate(more_covered, policy.covered, past_rate.covered, policy.completed),
        _estimate(share_of_oracle, policy.covered, chance.covered, oracle.covered),
    )


def _wasted(fetched_bytes: Values, heard_bytes: Values, axis: int) -> Values:
    return 1.0 - _ratio(heard_bytes.sum(axis), fetched_bytes.sum(axis), where_nothing=1.0)


def _covered(covered: Values, completed: Values, axis: int) -> Values:
    return _ratio(covered.sum(axis), completed.sum(axis))


def _ratio(part: Values, whole: Values, where_nothing: float = 0.0) -> Values:
    """Returns the ratio; a draw of listeners may have nothing to divide by."""
    found: Values = np.full(np.shape(whole), where_nothing)
    return np.divide(part, whole, out=found, where=np.asarray(whole) != 0)


def _estimate(statistic: Callable[..., Any], *samples: Values) -> Estimate:
    return Estimate(float(statistic(*samples, axis=-1)), *bootstrap_ci95(samples, statistic))
