"""What can go wrong, in words that know neither gRPC nor MongoDB.

ServerError
├── StartError                  the server cannot start, or the report cannot be made
├── InvalidRequestError         a request breaks the contract; names every bad field
├── UnknownModelError           no loaded model has that name, or that version
├── UnknownTrackError           the model's catalogue lacks that track
├── UnknownPredictionError      no logged prediction has that id
├── OutcomeConflictError        another outcome was recorded first
├── SpoolFullError              the prediction cannot be logged now
├── OverloadedError             too many calls are under way
├── TooLateError                the caller's time is up
└── StorageUnavailableError     the answer is in MongoDB, and MongoDB does not answer

Each one's `str()` is a single line, safe to show to a caller, except StorageUnavailableError's `reason`.
"""

from collections.abc import Sequence


class ServerError(Exception):
    """Base of all errors that the server raises on purpose."""


class StartError(ServerError):
    """Says in one line why a command cannot do its work."""


class InvalidRequestError(ServerError):
    """Names every field of a request that breaks the contract.

    Attributes:
        violations: Pairs of field path and what is wrong with it.
    """

    def __init__(self, violations: Sequence[tuple[str, str]]) -> None:
        """Keeps the violations for the caller."""
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in violations))
        self.violations = tuple(violations)


class UnknownModelError(ServerError):
    """Says that no loaded model has the name, or the version of it."""

    def __init__(self, model: str, version: str = "") -> None:
        """Names the model."""
        super().__init__(f"unknown model {model!r}" + (f", version {version!r}" if version else ""))


class UnknownTrackError(ServerError):
    """Says that the catalogue lacks the track."""

    def __init__(self, track_id: str) -> None:
        """Names the track."""
        super().__init__(f"unknown track {track_id!r}")


class UnknownPredictionError(ServerError):
    """Says that no logged prediction has the id."""

    def __init__(self, prediction_id: str) -> None:
        """Names the prediction."""
        super().__init__(f"unknown prediction {prediction_id!r}")


class OutcomeConflictError(ServerError):
    """Says that another outcome was recorded first, and is kept."""

    def __init__(self, prediction_id: str) -> None:
        """Names the prediction."""
        super().__init__(f"prediction {prediction_id!r} already has another outcome")


class SpoolFullError(ServerError):
    """Nothing more can be logged until MongoDB, or the disk, takes records again."""

    def __init__(self, problem: str = "is full") -> None:
        """Sets the message."""
        super().__init__(f"the experiment log {problem}")


class OverloadedError(ServerError):
    """Says that as many calls are under way as the server takes."""

    def __init__(self) -> None:
        """Says so."""
        super().__init__("too many calls are under way")


class TooLateError(ServerError):
    """Says that the caller's time was up before its work was begun."""

    def __init__(self) -> None:
        """Says so."""
        super().__init__("the call's time is up")


class StorageUnavailableError(ServerError):
    """Says that MongoDB does not answer.

    Attributes:
        reason: What the driver said; for the log, not for callers.
    """

    def __init__(self, reason: str) -> None:
        """Keeps the reason apart from the message."""
        super().__init__("the experiment's storage is unavailable")
        self.reason = reason
