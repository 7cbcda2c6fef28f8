"""What can go wrong, in words that know neither gRPC nor MongoDB.

ServiceError
├── StartError                  a command cannot do its work: serve, report, …
├── InvalidRequestError         a request breaks the contract; names every bad field
├── UnknownModelError           no loaded model has that name, or that version
├── UnknownTrackError           the model's catalogue lacks that track
├── UnknownPredictionError      no server can have issued that prediction id
├── ShedError                   a call that there is no room or no time for; says for which reason
│   ├── OverloadedError         more is asked for than the server, or this caller, may have
│   ├── SpoolFullError          nothing can be logged until MongoDB, or the disk, takes records again
│   └── TooLateError            it could not be answered in the caller's time
├── UnauthenticatedError        nothing that a caller shows says who it is
├── PermissionDeniedError       a known caller may not do this
└── StorageUnavailableError     the answer is in MongoDB, and MongoDB does not answer

Each one's `str()` is a single line, safe to show to a caller.
"""

from collections.abc import Sequence

# A status travels in headers, twice: a client that is sent more than 8 KiB of them may get none of it.
MAX_VIOLATIONS = 16
_MAX_SHOWN = 100


class ServiceError(Exception):
    """Base of all errors that the server raises on purpose."""


class StartError(ServiceError):
    """A command cannot do its work; the message is the line to show."""


class InvalidRequestError(ServiceError):
    """A request breaks the contract.

    Attributes:
        violations: Pairs of field path and what is wrong with it, the first `MAX_VIOLATIONS` of them.
    """

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        told, left_out = violations[:MAX_VIOLATIONS], len(violations[MAX_VIOLATIONS:])
        text = "; ".join(f"{field}: {problem}" for field, problem in told)
        super().__init__(text + (f"; and {left_out:,} more" if left_out else ""))
        self.violations = tuple(told)


class UnknownModelError(ServiceError):
    """No loaded model has the name, or the version of it."""

    def __init__(self, model: str, version: str = "") -> None:
        super().__init__(
            f"unknown model {_shown(model)}" + (f", version {_shown(version)}" if version else "")
        )


class UnknownTrackError(ServiceError):
    """The catalogue lacks the track."""

    def __init__(self, track_id: str) -> None:
        super().__init__(f"unknown track {_shown(track_id)}")


class UnknownPredictionError(ServiceError):
    """No server can have issued the id."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"unknown prediction {_shown(prediction_id)}")


class UnauthenticatedError(ServiceError):
    """Nothing that a caller shows says who it is.

    Attributes:
        reason: Why, in a word; for the log. The caller is told the same whatever the reason.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("a valid token or client certificate is needed")
        self.reason = reason


class PermissionDeniedError(ServiceError):
    """A known caller may not do this."""

    def __init__(self, method: str, scope: str) -> None:
        super().__init__(f"{method} needs the scope {scope!r}")


class ShedError(ServiceError):
    """There is no room or no time for a call.

    Attributes:
        reason: Why, in a word, as it is counted.
    """

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason


_OVERLOADS = {
    "in_flight": "too many calls are under way",
    "caller": "too many calls of this caller are under way",
    "method": "too many calls of this method wait",
    "rate": "this caller calls too often",
    "loop_lag": "the server is too busy",
    "unsent": "too many answers wait to be taken",
}


class OverloadedError(ShedError):
    """More is asked for than the server, or this caller, may have.

    Attributes:
        retry_after_s: When to try again, in seconds from now.
    """

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason, _OVERLOADS[reason])
        self.retry_after_s = retry_after_s


class SpoolFullError(ShedError):
    """Nothing more can be logged until MongoDB, or the disk, takes records again."""

    def __init__(self, problem: str = "is full") -> None:
        super().__init__("spool", f"the experiment log {problem}")


class TooLateError(ShedError):
    """The call could not be answered in the caller's time."""

    def __init__(self) -> None:
        super().__init__("deadline", "the call's time is up")


class StorageUnavailableError(ServiceError):
    """MongoDB does not answer.

    Attributes:
        reason: What the driver reported; for the log, not for callers.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("the experiment's storage is unavailable")
        self.reason = reason


def _shown(text: str) -> str:
    """Returns a caller's text as it is quoted: on one line, and cut short."""
    quoted = repr(text)
    return quoted if len(quoted) <= _MAX_SHOWN else f"{quoted[: _MAX_SHOWN - 1]}…"
