"""When and how often gRPC repeats a call."""

import math
from dataclasses import dataclass

from cache_client.rpc.load_balancing import SERVICE_NAME

_LEAST = 0.001  # gRPC counts in whole milliseconds


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How gRPC repeats a call that ended with UNAVAILABLE, or that the server cancelled (gRFC A6).

    Repeating is safe for every method: the server knows a repeated `PredictRandom` by its request id, and
    `RecordOutcome` is idempotent.

    Attributes:
        max_attempts: Attempts in all, the first included, 1 to 5 (gRPC makes no more); 1 repeats nothing.
        initial_backoff_s: Longest wait before the second attempt, in seconds; gRPC draws within it.
        max_backoff_s: Longest wait before any attempt, in seconds.
        multiplier: How the wait grows from attempt to attempt.
    """

    max_attempts: int = 4
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 1.0
    multiplier: float = 2.0

    def __post_init__(self) -> None:
        """Refuses what gRPC would: it would fail every call, and not say why.

        Raises:
            ValueError: There are not 1 to 5 attempts, or a time or the multiplier is too small or not finite.
        """
        if not 1 <= self.max_attempts <= 5:
            raise ValueError(f"max_attempts is {self.max_attempts}, not 1 to 5")
        for name in ("initial_backoff_s", "max_backoff_s", "multiplier"):
            value = getattr(self, name)
            if not _LEAST <= value < math.inf:
                raise ValueError(f"{name} is {value}, not a finite number of {_LEAST} or more")

    def service_config(self) -> dict[str, object]:
        """Returns this part of a channel's service config, with retry throttling."""
        if self.max_attempts == 1:
            return {}  # a retry policy of one attempt is none that gRPC accepts: every call would fail
        retry = {
            "maxAttempts": self.max_attempts,
            "initialBackoff": f"{self.initial_backoff_s:.3f}s",
            "maxBackoff": f"{self.max_backoff_s:.3f}s",
            "backoffMultiplier": self.multiplier,
            # gRPC's core answers CANCELLED to what still arrives in the moment in which a server ends.
            "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
        }
        return {
            "methodConfig": [{"name": [{"service": SERVICE_NAME}], "retryPolicy": retry}],
            # Spares a server in trouble: after fifty failures in a row, no retries until calls succeed. Not
            # fewer: all calls that are under way on a connection can fail at once when its server goes.
            "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
        }
