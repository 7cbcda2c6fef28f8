"""The prefetch policies, by name. A new one is one file here and one line in `POLICIES`."""

from collections.abc import Callable, Sequence

from cache_client.laboratory_errors import UnknownPolicyError
from cache_client.policies.advisor import AdvisorPolicy
from cache_client.policies.base import Policy, PolicyOptions
from cache_client.policies.listener_rate import ListenerRate
from cache_client.policies.next_1_prefix import Next1Prefix
from cache_client.policies.next_n_full import NextNFull
from cache_client.policies.none import NoPrefetch
from cache_client.policies.oracle import FuturePlay, Oracle
from cache_client.policies.popularity import Popularity
from cache_client.policies.random_tracks import RandomTracks
from cache_client.policies.rank import Rank
from cache_client.policies.two_constants import TwoConstants

__all__ = [
    "DEFAULT_POLICIES",
    "POLICIES",
    "TUNED",
    "FuturePlay",
    "Oracle",
    "Policy",
    "PolicyOptions",
    "TwoConstants",
    "policies_named",
]

TUNED = "tuned-constants"

POLICIES: dict[str, Callable[[PolicyOptions], Policy]] = {
    "none": lambda options: NoPrefetch(),
    "random": lambda options: RandomTracks(options.next_n, options.seed),
    "next-1-prefix": lambda options: Next1Prefix(),
    "next-n-full": lambda options: NextNFull(options.next_n),
    "popularity": lambda options: Popularity(options.next_n),
    "rank": lambda options: Rank(options.next_n),
    "two-constants": lambda options: TwoConstants(),
    TUNED: lambda options: TwoConstants(),  # until `tuned_constants` has chosen
    "listener-rate": lambda options: ListenerRate(options.weights),
    "advisor": lambda options: AdvisorPolicy(options.weights),
    "oracle": lambda options: Oracle(),
}


DEFAULT_POLICIES = (
    "none",
    "next-1-prefix",
    "next-n-full",
    "two-constants",
    TUNED,
    "listener-rate",
    "advisor",
    "oracle",
)
"""Those that a comparison holds when none is named: the others waste more and wait longer than these."""


def policies_named(names: Sequence[str], options: PolicyOptions) -> dict[str, Policy]:
    """Returns the named policies, each once, in the order given; the default ones when none is named.

    Raises:
        UnknownPolicyError: There is no policy of a name.
    """
    for name in names:
        if name not in POLICIES:
            raise UnknownPolicyError(f"unknown policy '{name}'; there are: {', '.join(POLICIES)}")
    return {name: POLICIES[name](options) for name in names or DEFAULT_POLICIES}
