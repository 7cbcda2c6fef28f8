"""What a caller may be allowed to do, and which method needs what."""

from typing import Literal, get_args

Scope = Literal["predict", "rank", "log", "outcome", "admin"]

ALL_SCOPES: frozenset[str] = frozenset(get_args(Scope))

REFLECTION = "ServerReflectionInfo"
LIST_MODELS = "ListModels"

_NEEDED: dict[str, Scope] = {
    "Predict": "predict",
    "RankTracks": "rank",
    "PlanPrefetch": "rank",
    # It writes: who may only predict cannot fill the log, or bend an experiment.
    "PredictRandom": "log",
    "RecordOutcome": "outcome",
    LIST_MODELS: "admin",
    REFLECTION: "admin",
}


def needed_scope(method: str) -> Scope:
    """Returns the scope that a method needs; `admin` for one that nobody has thought of here."""
    return _NEEDED.get(method, "admin")
