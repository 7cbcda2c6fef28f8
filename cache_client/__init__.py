"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed."""

from cache_client.prefetch.prefetch_client import Advice, PrefetchClient, QueuedTrack
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.errors import CacheClientError
from cache_client.rpc.retry import RetryPolicy

__all__ = ["Advice", "CacheClientError", "PredictionClient", "PrefetchClient", "QueuedTrack", "RetryPolicy"]
