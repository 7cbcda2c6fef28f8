"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed."""

from cache_client.client import PredictionClient
from cache_client.errors import CacheClientError
from cache_client.prefetch_client import Advice, PrefetchClient, QueuedTrack
from cache_client.retry import RetryPolicy

__all__ = ["Advice", "CacheClientError", "PredictionClient", "PrefetchClient", "QueuedTrack", "RetryPolicy"]
