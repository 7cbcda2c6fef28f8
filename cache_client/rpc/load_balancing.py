"""Which of several servers a call goes to."""

from typing import Literal

from playthrough.v1 import prediction_service_pb2 as pb

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name

LoadBalancing = Literal["pick_first", "round_robin"]
"""`pick_first`: one server, and another one when it goes. `round_robin`: all in turn that report health."""

# gRPC asks the resolver again when a connection ends, but at most twice a minute: too seldom for pods that
# are replaced one after the other, each with a new address.
_RESOLVE_EVERY_MS = 2_000
# From one second it doubles, up to two minutes: a server that is back would long stay without calls.
_MAX_RECONNECT_BACKOFF_MS = 5_000


def balancing_config(load_balancing: LoadBalancing) -> dict[str, object]:
    """Returns this part of a channel's service config (gRFC A17 for the health check)."""
    if load_balancing == "pick_first":
        return {}
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": SERVICE_NAME},
    }


def balancing_options(load_balancing: LoadBalancing) -> list[tuple[str, int]]:
    """Returns the channel options that go with it."""
    if load_balancing == "pick_first":
        return []
    return [
        ("grpc.dns_min_time_between_resolutions_ms", _RESOLVE_EVERY_MS),
        ("grpc.max_reconnect_backoff_ms", _MAX_RECONNECT_BACKOFF_MS),
    ]
