"""A recording that goes on otherwise after a play: what was known when that play started must stay."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from data import Dataset

Change = Callable[[pd.DataFrame, pd.DataFrame, np.random.Generator], pd.DataFrame]
"""Returns other later events than these, from the events up to the play and the later ones."""


def nothing(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Ends the recording."""
    return later.iloc[:0]


def other_outcomes(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Skips what was liked, and likes what was skipped."""
    exchanged = later["event_type"].replace({"SKIP": "LIKE", "LIKE": "SKIP"})
    return later.assign(event_type=exchanged)


def no_outcomes(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Hears out everything, what runs already with it."""
    return later[~later["event_type"].isin(["SKIP", "LIKE"])]


def other_order(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Shuffles the events."""
    return later.assign(timestamp=rng.permutation(later["timestamp"].to_numpy()))


def other_purchases(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Lets other listeners buy, some more than once."""
    return _others_of("BUY_PREMIUM", later, rng)


def other_advertisements(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Advertises elsewhere."""
    return _others_of("ADVERTISEMENT", later, rng)


def late_skips(past: pd.DataFrame, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Skips every earlier play, most of which have ended."""
    if later.empty:
        return later
    skips = past[past["event_type"] == "PLAY"].assign(event_type="SKIP")
    at = rng.choice(later["timestamp"].to_numpy(), len(skips))
    return pd.concat([later, skips.assign(timestamp=at)])


CHANGES: tuple[Change, ...] = (
    nothing, other_outcomes, no_outcomes, other_order, other_purchases, other_advertisements, late_skips,
)  # fmt: skip


def go_on_otherwise(
    dataset: Dataset, after: pd.Timestamp, change: Change, rng: np.random.Generator
) -> Dataset:
    """Returns a data set whose events up to a time are the same, and whose later ones are changed.

    `premium_user` becomes the state at the end of the changed recording: of a listener who buys within it
    it may be either, since premium may end; who had premium from the start keeps it and buys none.
    """
    events = dataset.sessions
    had_premium = _had_premium(dataset)
    is_past = (events["timestamp"] <= after).to_numpy()
    changed = change(events[is_past], events[~is_past], rng)
    needless = (changed["event_type"] == "BUY_PREMIUM") & changed["user_id"].isin(had_premium)
    sessions = pd.concat([events[is_past], changed[~needless]], ignore_index=True)
    users = dataset.users
    buys = users["user_id"].isin(sessions["user_id"][sessions["event_type"] == "BUY_PREMIUM"])
    at_end = users["user_id"].isin(had_premium) | (buys & (rng.random(len(users)) < 0.5))
    return replace(dataset, sessions=sessions, users=users.assign(premium_user=at_end))


def _had_premium(dataset: Dataset) -> set[str]:
    events, users = dataset.sessions, dataset.users
    return set(users["user_id"][users["premium_user"]]) - set(
        events["user_id"][events["event_type"] == "BUY_PREMIUM"]
    )


def _others_of(event_type: str, later: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    new = later[rng.random(len(later)) < 0.2].assign(event_type=event_type, track_id="")
    return pd.concat([later[later["event_type"] != event_type], new])
