"""Whether a model was trained on plays that a simulation replays: then its predictions are no forecast."""

import json
from pathlib import Path


def training_overlap(manifest_file: Path, data_digest: str, holdout: float) -> str | None:
    """Returns in a line what a model has seen of the replayed plays; None when nothing, or nothing is known.

    Args:
        manifest_file: The model's `manifest.json`.
        data_digest: Of the data set that is replayed; a model of another one has seen none of it.
        holdout: Share of the plays, the last ones by time, whose sessions are replayed.
    """
    try:
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
        split, trained_on = manifest["split"], manifest["data_digest"]
        kind, test_share = str(split["kind"]), float(split["test_share"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if trained_on != data_digest:
        return None
    if kind != "temporal":
        return f"trained on a {kind} split of these plays, so it has seen outcomes that are replayed"
    if test_share < holdout:
        seen = f"trained on the first {1 - test_share:.0%} of these plays"
        return f"{seen}, and the last {holdout:.0%} are replayed"
    return None
