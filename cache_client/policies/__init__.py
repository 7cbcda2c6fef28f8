"""The prefetch policies, by name. A new one is one file here and one line in `POLICIES`."""

from collections.abc import Callable, Sequence

from cache_client.errors import UnknownPolicyError
from cache_client.policies.advisor import AdvisorPolicy
from cache_client.policies.base import Policy, PolicyOptions
from cache_client.policies.next_n import NextN
from cache_client.policies.none import NoPrefetch

__all__ = ["POLICIES", "Policy", "PolicyOptions", "policies_named"]

POLICIES: dict[str, Callable[[PolicyOptions], Policy]] = {
    "none": lambda options: NoPrefetch(),
    "next-n": lambda options: NextN(options.next_n),
    "advisor": lambda options: AdvisorPolicy(options.weights),
}


def policies_named(names: Sequence[str], options: PolicyOptions) -> dict[str, Policy]:
    """Returns the named policies, each once, in the order given; all of them when none is named.

    Raises:
        UnknownPolicyError: There is no policy of a name.
    """
    for name in names:
        if name not in POLICIES:
            raise UnknownPolicyError(f"unknown policy '{name}'; there are: {', '.join(POLICIES)}")
    return {name: POLICIES[name](options) for name in names or POLICIES}
