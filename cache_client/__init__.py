"""The client of the prediction server, and what it is for: which bytes to fetch before they are needed."""

from cache_client.client import PredictionClient, RetryPolicy
from cache_client.errors import CacheClientError

__all__ = ["CacheClientError", "PredictionClient", "RetryPolicy"]
