"""Computes the statistics of a data set."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from data.analysis.distributions import (
    Distribution,
    histogram,
    histogram_of_whole_numbers,
    histogram_up_to_tail,
    summarise,
)
from data.analysis.information import correlation, mutual_information
from data.analysis.skip_rates import SkipRate, skip_rates, survival
from data.analysis.statistics import (
    AUDIO_ATTRIBUTES,
    SHARES,
    WHOLE_NUMBERS,
    Rows,
    Statistics,
    StorageClass,
)
from data.dataset import Dataset
from data.schema import EVENT_TYPES, STORAGE_COST_PER_MINUTE
from data.session_plays import plays

SEED = 42
DESCRIPTION_STEPS = 3
"""How many steps `describe` announces."""


def describe(dataset: Dataset, advance: Callable[[str], None] = lambda step: None) -> Statistics:
    """Computes the statistics of a data set.

    Args:
        dataset: What `read_dataset` returned.
        advance: Is called with the name of each step before it begins.
    """
    advance("sessions to plays")
    played = plays(dataset)
    skipped = played["skipped"]
    heard = played[skipped]
    advance("skip rates")
    rates = {
        "by_listener": skip_rates(skipped, played["listener_id"]),
        "by_hour": skip_rates(skipped, played["started_at"].dt.hour),
        "by_position": skip_rates(skipped, played["position"]),
    }
    advance("mutual information")
    attributes = play_attributes(dataset, played)
    target = skipped.to_numpy(dtype=bool)
    information = mutual_information(attributes, played["listener_id"].to_numpy(), target, SEED)
    return Statistics(
        digest=dataset.digest,
        rows=_rows(dataset, len(played)),
        event_counts=_event_counts(dataset),
        overall=_rate("all plays", skipped),
        by_situation=_by_situation(played),
        **rates,
        seconds_to_skip=_long_tailed(heard["listened_s"]),
        share_heard=_share(heard["listened_s"] / heard["duration_s"]),
        survival=survival(played["listened_s"].to_numpy(), target),
        track_duration_s=_long_tailed(dataset.tracks["duration_ms"] / 1000),
        attributes={name: _attribute(dataset.tracks, name) for name in AUDIO_ATTRIBUTES},
        correlation=correlation(attributes.drop(columns=["storage_class", "hour"]), target),
        mutual_information=information,
        storage_classes=_storage_classes(dataset, played),
    )


def play_attributes(dataset: Dataset, played: pd.DataFrame) -> pd.DataFrame:
    """Returns what is known before each play starts, as numbers: one row a play.

    Args:
        dataset: Holds the tracks.
        played: What `plays(dataset)` returned.
    """
    catalogue = dataset.catalogue.tracks
    row = pd.Index(catalogue["id"]).get_indexer(pd.Index(played["track_id"]))
    known = catalogue.iloc[row]
    columns = {name: known[name].to_numpy(dtype=np.float64) for name in AUDIO_ATTRIBUTES}
    columns["duration_s"] = played["duration_s"].to_numpy()
    columns["release_year"] = known["release_date"].str[:4].to_numpy(dtype=np.float64)
    columns["daily_cost"] = known["daily_cost"].fillna(0.0).to_numpy(dtype=np.float64)
    classes = pd.Categorical(known["storage_class"], categories=list(STORAGE_COST_PER_MINUTE))
    columns["storage_class"] = classes.codes.astype(np.float64)
    for name in ("premium", "advertisement_before", "position"):
        columns[name] = played[name].to_numpy(dtype=np.float64)
    columns["hour"] = played["started_at"].dt.hour.to_numpy(dtype=np.float64)
    return pd.DataFrame(columns)


def _rows(dataset: Dataset, n_plays: int) -> Rows:
    artist = dict(zip(dataset.artists["id"], dataset.artists["name"], strict=True))
    pairs = pd.DataFrame({
        "artist": dataset.tracks["id_artist"].map(artist).fillna(dataset.tracks["id_artist"]),
        "track": dataset.tracks["name"],
    })  # fmt: skip
    return Rows(
        artists=len(dataset.artists),
        tracks=len(dataset.tracks),
        listeners=len(dataset.users),
        stored_tracks=len(dataset.track_storage),
        events=len(dataset.sessions),
        sessions=int(dataset.sessions["session_id"].nunique()),
        plays=n_plays,
        duplicated_pairs=int((pairs.value_counts() > 1).sum()),
    )


def _event_counts(dataset: Dataset) -> dict[str, int]:
    counts = dataset.sessions["event_type"].value_counts()
    return {name: int(counts.get(name, 0)) for name in EVENT_TYPES}


def _rate(name: str, skipped: "pd.Series[bool]") -> SkipRate | None:
    groups = skip_rates(skipped, pd.Series(name, index=skipped.index)).groups
    return groups[0] if groups else None


def _by_situation(played: pd.DataFrame) -> list[SkipRate]:
    situations = {
        "plays with premium": played["premium"],
        "plays without premium": ~played["premium"],
        "after an advertisement": played["advertisement_before"],
        "no advertisement before": ~played["advertisement_before"],
    }
    rates = [_rate(name, played["skipped"][chosen]) for name, chosen in situations.items()]
    return [rate for rate in rates if rate is not None]


def _long_tailed(seconds: "pd.Series[float]") -> Distribution:
    return Distribution(summarise(seconds), histogram_up_to_tail(seconds, tail_quantile=0.995))


def _share(shares: "pd.Series[float]") -> Distribution:
    return Distribution(summarise(shares), histogram(shares, low=0.0, high=1.0, bins=20))


def _attribute(tracks: pd.DataFrame, name: str) -> Distribution:
    values = tracks[name]
    if name in WHOLE_NUMBERS:
        return Distribution(summarise(values), histogram_of_whole_numbers(values))
    bounds = (0.0, 1.0) if name in SHARES else (None, None)
    return Distribution(summarise(values), histogram(values, low=bounds[0], high=bounds[1]))


def _storage_classes(dataset: Dataset, played: pd.DataFrame) -> list[StorageClass]:
    stored = dataset.track_storage.set_index("track_id")
    plays_of = played["track_id"].value_counts().reindex(stored.index, fill_value=0)
    described = []
    for name in STORAGE_COST_PER_MINUTE:
        chosen = stored["storage_class"] == name
        counts = plays_of[chosen]
        n = len(counts)
        described.append(
            StorageClass(
                name,
                tracks=n,
                plays=int(counts.sum()),
                plays_per_track=float(counts.mean()) if n else None,
                played_share=float((counts > 0).mean()) if n else None,
                daily_cost=float(stored["daily_cost"][chosen].sum()),
            )
        )
    return described
