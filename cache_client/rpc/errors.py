"""What can go wrong in the client library, as one tree.

```
CacheClientError                a one-line message for a person
├── InvalidTarget               the name of a server that gRPC cannot dial
├── InvalidCredentials          files of TLS that cannot be read, or half of a pair
└── ServerError                 a call brought no answer, or an error for an answer
    ├── ServerUnavailable       no connection, a closed client, or a server that cannot now (after retries)
    ├── DeadlineExceeded        connected, but no answer in time
    ├── Unauthenticated         the server does not take the token or certificate, or there is none to show
    ├── PermissionDenied        the server knows the caller, and this is not among what it may do
    ├── NotFoundError           unknown model, track or prediction
    ├── InvalidRequest          the server refused the input; `violations` says which fields
    ├── Overloaded              over capacity; `retry_after_s` when the server said so
    └── UnexpectedStatus        any other status; `code` names it
```

An argument of the wrong kind, such as one string for a list of genres, is a `TypeError` before any call.
"""

from dataclasses import dataclass


class CacheClientError(Exception):
    """Base of everything that this package raises on purpose."""


class InvalidTarget(CacheClientError, ValueError):
    """The name of a server is nothing that gRPC can dial."""


class InvalidCredentials(CacheClientError, ValueError):
    """Files of TLS cannot be read, or are half of a pair."""


class ServerError(CacheClientError):
    """A call to the prediction server failed: base of all that a call raises."""


class ServerUnavailable(ServerError):
    """Nobody answers at the target, the server cannot just now, or the client is closed."""


class DeadlineExceeded(ServerError):
    """The server is connected, and did not answer in time."""


class Unauthenticated(ServerError):
    """The server does not take the token or certificate, or there is none to show."""


class PermissionDenied(ServerError):
    """The server knows the caller, and this is not among what it may do."""


class NotFoundError(ServerError):
    """The server does not know a model, a track or a prediction."""


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
    """The server refused the input.

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
    """The server is over capacity.

    Attributes:
        retry_after_s: How long the server asks to wait, in seconds; None when it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """Keeps the server's advice beside the message."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnexpectedStatus(ServerError):
    """A call ended with a status that the contract does not foresee.

    Attributes:
        code: Name of the gRPC status code, for example `INTERNAL`.
    """

    def __init__(self, message: str, code: str) -> None:
        """Keeps the code beside the message."""
        super().__init__(message)
        self.code = code
