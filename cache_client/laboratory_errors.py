"""What can go wrong in the laboratory (simulator, replay, placement, commands), beside `rpc.errors`."""

from cache_client.rpc.errors import CacheClientError


class ServerStartError(CacheClientError):
    """A server that was to be started for a simulation did not come up."""


class PlanError(CacheClientError):
    """A prefetch policy broke its contract."""


class UsageError(CacheClientError):
    """Flags contradict each other, or what they name is not there."""


class UnknownPolicyError(UsageError):
    """There is no prefetch policy of that name."""
