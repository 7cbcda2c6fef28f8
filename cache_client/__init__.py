"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed."""

from cache_client.client import PredictionClient, RetryPolicy
from cache_client.errors import CacheClientError
from cache_client.prefetch_client import Advice, PrefetchClient, QueuedTrack

__all__ = ["Advice", "CacheClientError", "PredictionClient", "PrefetchClient", "QueuedTrack", "RetryPolicy"]
