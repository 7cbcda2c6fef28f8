"""What goes to the prediction server and comes back, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cache_client.prefetch.plan import Plan


@dataclass(frozen=True, slots=True)
class RecentPlay:
    """An earlier play of the listener.

    Attributes:
        track_id: The track that was played.
        skipped: Whether the listener skipped it.
    """

    track_id: str
    skipped: bool


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What is known about the listener before a play starts; all of it optional.

    Attributes:
        premium: Whether the listener pays.
        recent_plays: The latest plays and how they ended, newest last, at most 200.
        advertisement_before: Whether an advertisement ran just before.
        position: How many plays came before in the session.
    """

    premium: bool | None = None
    recent_plays: tuple[RecentPlay, ...] = ()
    advertisement_before: bool | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction.

    Attributes:
        track_id: The track asked about.
        skipped: Whether the model expects a skip.
        play_through_probability: Probability in [0, 1] that the listener hears the track out.
        model: The model that answered.
        version: Its version.
    """

    track_id: str
    skipped: bool
    play_through_probability: float
    model: str
    version: str


@dataclass(frozen=True, slots=True)
class LoggedPrediction(Prediction):
    """A prediction of the experiment, which the server logged.

    Attributes:
        prediction_id: Names the prediction for `record_outcome`.
    """

    prediction_id: str


@dataclass(frozen=True, slots=True)
class RankedTrack:
    """A track of a ranking.

    Attributes:
        track_id: The track.
        play_through_probability: Probability in [0, 1] that the listener hears it out.
        skipped: Whether the model expects a skip.
        listening_curve: P(each asked second is heard | the track starts); empty when none was asked for, or
            the server does not say.
    """

    track_id: str
    play_through_probability: float
    skipped: bool
    listening_curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Tracks by falling play-through probability.

    Attributes:
        tracks: The ranked tracks, best first.
        unknown_track_ids: The asked tracks that the server does not know.
        model: The model that answered.
        version: Its version.
    """

    tracks: tuple[RankedTrack, ...]
    unknown_track_ids: tuple[str, ...]
    model: str
    version: str


@dataclass(frozen=True, slots=True)
class PlannedPlay:
    """A server's plan for a play.

    Attributes:
        plan: What to fetch, and how far to stream.
        unknown_track_ids: The asked tracks that the server does not know.
        model: The model that answered.
        version: Its version.
    """

    plan: Plan
    unknown_track_ids: tuple[str, ...]
    model: str
    version: str


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model that the server has loaded, or has refused to load.

    Attributes:
        name: What requests call it.
        version: Version within the name.
        description: What it is, in a sentence.
        required_inputs: Request fields that it reads.
        metrics: Figures measured on held-out plays, by name.
        loaded_at: When the server loaded it (UTC); None when it failed.
        is_default: Whether it answers requests that name no model.
        state: `serving` answers for the model, `standby` only requests that name the version, `failed` could
            not be loaded; `unspecified` from a server that names another one.
        failure_reason: Why it could not be loaded, in a line; empty unless it failed.
        digest: 16 hexadecimal digits of SHA-256 over its files: with name and version the model's identity.
        split: How the plays were split that the metrics were measured on: `random`, `temporal`, `listener`, …
            Empty when unknown.
        test_share: Share of the plays that was held out for the metrics; 0 when unknown.
        refitted: Whether it was trained on all plays once the metrics had been measured.
        data_digest: SHA-256 (hex) of the data set that it was trained and measured on; empty when unknown.
    """

    name: str
    version: str
    description: str
    required_inputs: tuple[str, ...]
    metrics: Mapping[str, float]
    loaded_at: datetime | None
    is_default: bool
    state: str = "unspecified"
    failure_reason: str = ""
    digest: str = ""
    split: str = ""
    test_share: float = 0.0
    refitted: bool = False
    data_digest: str = ""


@dataclass(frozen=True, slots=True)
class Arm:
    """A model's part in the experiment.

    Attributes:
        name: The arm, as logged.
        model: The model that answers for it.
        probability: Its share of the traffic, in (0, 1].
        version: Version of the model; empty from a server that does not tell.
    """

    name: str
    model: str
    probability: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models and the running experiment.

    Attributes:
        models: The models by name, each name's versions from new to old.
        experiment: Name of the experiment.
        arms: Its arms.
    """

    models: tuple[Model, ...]
    experiment: str
    arms: tuple[Arm, ...]
