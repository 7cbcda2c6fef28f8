"""What a caller may know about a listener before a play starts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RecentPlay:
    """A play that has ended.

    Attributes:
        track_id: Track that was played.
        skipped: Whether the listener skipped it.
    """

    track_id: str
    skipped: bool


@dataclass(frozen=True)
class ListenerContext:
    """Optional knowledge about the listener; nothing in it may come from the play that is predicted.

    Attributes:
        premium: Whether the listener pays; None when unknown.
        recent_plays: The listener's plays before this one, newest last.
        advertisement_before: Whether an advertisement ran just before; None when unknown.
        position: Plays of this session before this one; None when unknown.
    """

    premium: bool | None = None
    recent_plays: tuple[RecentPlay, ...] = ()
    advertisement_before: bool | None = None
    position: int | None = None
