"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed.

`PredictionClient` asks, `PrefetchClient` plans, what they raise is the tree of `rpc.errors`. Importing them
loads gRPC and protobuf, nothing else.
"""

from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.prefetch_client import Advice, PrefetchClient, QueuedTrack
from cache_client.prefetch.score import ScoreWeights
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.errors import (
    CacheClientError,
    DeadlineExceeded,
    InvalidRequest,
    NotFoundError,
    OutcomeConflict,
    Overloaded,
    ServerError,
    ServerUnavailable,
    UnexpectedStatus,
)
from cache_client.rpc.messages import ListenerContext, RecentPlay
from cache_client.rpc.retry import RetryPolicy

__all__ = [
    "Advice",
    "CacheClientError",
    "DeadlineExceeded",
    "Delivery",
    "InvalidRequest",
    "ListenerContext",
    "NotFoundError",
    "OutcomeConflict",
    "Overloaded",
    "PredictionClient",
    "PrefetchClient",
    "QueuedTrack",
    "RecentPlay",
    "RetryPolicy",
    "ScoreWeights",
    "ServerError",
    "ServerUnavailable",
    "UnexpectedStatus",
]
