"""What can go wrong, in words that know neither gRPC nor MongoDB.

ServiceError
├── StartError                  a command cannot do its work: serve, report, …
├── InvalidRequestError         a request breaks the contract; names every bad field
├── UnknownModelError           no loaded model has that name, or that version
├── UnknownTrackError           the model's catalogue lacks that track
├── UnknownPredictionError      no server can have issued that prediction id
├── SpoolFullError              nothing can be logged until MongoDB, or the disk, takes records again
├── OverloadedError             as many calls are under way as the server takes
├── TooLateError                the caller's time was up before its work was begun
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


class SpoolFullError(ServiceError):
    """Nothing more can be logged until MongoDB, or the disk, takes records again."""

    def __init__(self, problem: str = "is full") -> None:
        super().__init__(f"the experiment log {problem}")


class OverloadedError(ServiceError):
    """As many calls are under way as the server takes."""

    def __init__(self) -> None:
        super().__init__("too many calls are under way")


class TooLateError(ServiceError):
    """The caller's time was up before its work was begun."""

    def __init__(self) -> None:
        super().__init__("the call's time is up")


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
