"""What can go wrong in this room, as one tree.

```
CacheClientError                a one-line message for a person
├── ServerError                 a call to the prediction server failed
│   ├── ServerUnavailable       nobody answers there, or the server cannot just now (after retries)
│   ├── DeadlineExceeded        no answer in time
│   ├── NotFound                unknown model, track or prediction
│   ├── InvalidRequest          the server refused the input; `violations` says which fields
│   ├── Overloaded              over capacity; `retry_after_s` when the server said so
│   ├── OutcomeConflict         another outcome was recorded first, and kept
│   └── UnexpectedStatus        any other status; `code` names it
├── ServerStartError            a server that was to be started for a simulation did not come up
├── WorkerError             a process of a simulation died
├── UnknownPolicyError          no prefetch policy of that name
├── PlanError                   a prefetch policy broke its contract
└── UsageError                  flags that contradict each other, or input that is not there
```
"""

from dataclasses import dataclass


class CacheClientError(Exception):
    """Base of everything that this room raises on purpose."""


class ServerError(CacheClientError):
    """Says that a call to the prediction server failed."""


class ServerUnavailable(ServerError):
    """Says that nobody answers at the target, that the server cannot just now, or a closed client."""


class DeadlineExceeded(ServerError):
    """Says that the server did not answer in time."""


class NotFound(ServerError):
    """Says that the server does not know a model, a track or a prediction."""


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that the server refused.

    Attributes:
        field: Path of the field, for example `track_ids`.
        description: What is wrong with it.
    """

    field: str
    description: str


class InvalidRequest(ServerError):
    """Says that the server refused the input.

    Attributes:
        violations: The fields at fault; empty when the server named none.
    """

    def __init__(self, message: str, violations: tuple[FieldViolation, ...] = ()) -> None:
        """Keeps the violations beside the message."""
        super().__init__(message)
        self.violations = violations

    def __str__(self) -> str:
        """Returns the message with the fields at fault that it does not name itself, in one line."""
        message = str(self.args[0])
        faults = [f"{violation.field}: {violation.description}" for violation in self.violations]
        unnamed = "; ".join(fault for fault in faults if fault not in message)
        return f"{message} ({unnamed})" if unnamed else message


class Overloaded(ServerError):
    """Says that the server is over capacity.

    Attributes:
        retry_after_s: How long the server asks to wait, in seconds; None when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """Keeps the server's advice beside the message."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutcomeConflict(ServerError):
    """Says that another outcome was recorded for the prediction first."""


class UnexpectedStatus(ServerError):
    """Says that a call ended with a status that the contract does not foresee.

    Attributes:
        code: Name of the gRPC status code, for example `INTERNAL`.
    """

    def __init__(self, message: str, code: str) -> None:
        """Keeps the code beside the message."""
        super().__init__(message)
        self.code = code


class ServerStartError(CacheClientError):
    """Says that a child server did not come up."""


class WorkerError(CacheClientError):
    """Says that a process of a simulation died."""


class UnknownPolicyError(CacheClientError):
    """Says that there is no prefetch policy of a name."""


class PlanError(CacheClientError):
    """Says that a prefetch policy broke its contract."""


class UsageError(CacheClientError):
    """Says that flags contradict each other, or that what they name is not there."""
