"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed.

`PredictionClient` asks, `PrefetchClient` plans, `LinkObserver` keeps what plans know of the link, what they
raise is the tree of `rpc.errors`. Importing them loads gRPC and protobuf, nothing else.
"""

from cache_client.prefetch.byte_price import BytePrice
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.link_estimate import LinkObservations
from cache_client.prefetch.link_observer import LinkObserver
from cache_client.prefetch.plan import Objective, Plan, Ration
from cache_client.prefetch.play import Play, QueuedTrack
from cache_client.prefetch.prefetch_client import Advice, PrefetchClient
from cache_client.prefetch.score import ScoreWeights
from cache_client.prefetch.throughput import Transfer
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.credentials import tls_credentials
from cache_client.rpc.errors import (
    CacheClientError,
    DeadlineExceeded,
    InvalidCredentials,
    InvalidRequest,
    NotFoundError,
    Overloaded,
    PermissionDenied,
    ServerError,
    ServerUnavailable,
    Unauthenticated,
    UnexpectedStatus,
)
from cache_client.rpc.messages import ListenerContext, PlannedPlay, RecentPlay
from cache_client.rpc.retry import RetryPolicy

__all__ = [
    "Advice",
    "BytePrice",
    "CacheClientError",
    "DeadlineExceeded",
    "Delivery",
    "InvalidCredentials",
    "InvalidRequest",
    "LinkObservations",
    "LinkObserver",
    "ListenerContext",
    "NotFoundError",
    "Objective",
    "Overloaded",
    "PermissionDenied",
    "Plan",
    "PlannedPlay",
    "Play",
    "PredictionClient",
    "PrefetchClient",
    "QueuedTrack",
    "Ration",
    "RecentPlay",
    "RetryPolicy",
    "ScoreWeights",
    "ServerError",
    "ServerUnavailable",
    "Transfer",
    "Unauthenticated",
    "UnexpectedStatus",
    "tls_credentials",
]
