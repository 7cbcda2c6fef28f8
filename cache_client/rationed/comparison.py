"""All policies with the same budgets on the same plays."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache_client.prefetch.plan import Objective
from cache_client.rationed.decisions import decide_online, decide_with_hindsight
from cache_client.rationed.figures import Figures, Gain, figures, gain, sums_by_listener
from cache_client.rationed.offers import Offers
from cache_client.rationed.policies import Policy

BUDGETS = (0.1, 0.25, 0.5)
"""Shares of the bytes of all tracks that come up."""

N_DRAWS = 20
"""How often `random` is drawn: its figures are those of all draws together."""


@dataclass(frozen=True, slots=True)
class RationedReport:
    """What a comparison found.

    Attributes:
        plays: How many plays came up.
        listeners: Of how many listeners.
        figures: By budget, objective and policy.
        gains: The same, without `random` and `past-rate`.
    """

    plays: int
    listeners: int
    figures: Mapping[float, Mapping[Objective, Mapping[str, Figures]]]
    gains: Mapping[float, Mapping[Objective, Mapping[str, Gain]]]


def compare_policies(
    offers: Offers,
    policies: Mapping[str, Policy],
    *,
    seed: int = 42,
    expected: float = 1.0,
    advance: Callable[[int], None] = lambda cells: None,
) -> RationedReport:
    """Returns what each policy, `random` and the oracle buy with the same budgets.

    Args:
        offers: The plays as they come up.
        policies: By name, `past-rate` among them.
        seed: Of the random draws.
        expected: How many bytes are expected to come up, divided by those that do.
        advance: Called with 1 after each budget and objective.
    """
    found: dict[float, dict[Objective, dict[str, Figures]]] = {budget: {} for budget in BUDGETS}
    gains: dict[float, dict[Objective, dict[str, Gain]]] = {budget: {} for budget in BUDGETS}
    worths = {it: {name: policy(it) for name, policy in policies.items()} for it in Objective}
    for budget in BUDGETS:
        for objective in Objective:
            period = _Period(offers, objective, budget, expected, seed)
            sums = {name: sums_by_listener(offers, it) for name, it in period.taken_by(worths[objective])}
            found[budget][objective] = {name: figures(it, period.budget_bytes) for name, it in sums.items()}
            gains[budget][objective] = {
                name: gain(it, sums["past-rate"], sums["random"], sums["oracle"])
                for name, it in sums.items()
                if name not in ("random", "past-rate")
            }
            advance(1)
    return RationedReport(len(offers.listener), len(np.unique(offers.listener)), found, gains)


class _Period:
    """The same plays and budget for all policies."""

    def __init__(
        self, offers: Offers, objective: Objective, budget: float, expected: float, seed: int
    ) -> None:
        self._offers = offers
        self._objective = objective
        self._seed = seed
        self._sizes = np.array([it.size_bytes for it in offers.all], dtype=np.int64)
        all_bytes = float(offers.size_bytes.sum())
        self.budget_bytes, self._expected_bytes = budget * all_bytes, expected * all_bytes

    def taken_by(
        self, worths: Mapping[str, NDArray[np.float64]]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yields each policy with the share of its runs in which it fetched each play, (n_plays,)."""
        random = np.random.default_rng(self._seed)
        draws = [self._online(random.random(len(self._sizes))) for _ in range(N_DRAWS)]
        yield "random", np.mean(draws, axis=0)
        for name, of_policy in worths.items():
            yield name, self._online(of_policy)
        yield "oracle", self._best()

    def _online(self, worths: NDArray[np.float64]) -> NDArray[np.float64]:
        n_earlier = self._offers.n_earlier
        taken = decide_online(worths, self._sizes, n_earlier, self.budget_bytes, self._expected_bytes)
        return taken.astype(np.float64)

    def _best(self) -> NDArray[np.float64]:
        sizes = self._offers.size_bytes
        if self._objective is Objective.BYTES:
            values = self._offers.heard_share
        else:
            values = self._offers.played_through / sizes
        return decide_with_hindsight(values, sizes, self.budget_bytes).astype(np.float64)
