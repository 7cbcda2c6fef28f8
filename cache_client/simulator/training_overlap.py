"""Whether models have seen the plays that are replayed: then their predictions are no forecast."""

from cache_client.rpc.messages import Model, ModelList


def asked_models(listed: ModelList, name: str) -> list[Model]:
    """Returns the model that answers requests for a name, empty for the default; none where none does."""
    return [it for it in listed.models if (it.name == name if name else it.is_default) and _serves(it)]


def drawn_models(listed: ModelList) -> list[Model]:
    """Returns the models that answer for the experiment's arms, in the order of the list."""
    drawn = {(arm.model, arm.version) for arm in listed.arms}
    # A server that does not list versions of arms has them follow the one that serves.
    return [
        it
        for it in listed.models
        if (it.name, it.version) in drawn or ((it.name, "") in drawn and _serves(it))
    ]


def is_refitted(model: Model, data_digest: str) -> bool:
    """Returns whether a model was trained on all plays of a data set, the once held-out ones too."""
    # A model of folds by listener has no evaluated network of its own: it is always trained on all.
    return model.data_digest == data_digest and (model.refitted or model.split == "listener")


def training_overlap(model: Model, data_digest: str, holdout: float) -> str | None:
    """Returns in words what a model has seen of the replayed plays; None when nothing, or nothing is known.

    Args:
        model: As the server lists it.
        data_digest: Of the data set that is replayed; a model of another one has seen none of it.
        holdout: Share of the plays, the last ones by time, whose sessions are replayed.
    """
    if model.data_digest != data_digest:
        return None
    if is_refitted(model, data_digest):
        return "refitted on all of these plays, so it has seen every outcome that is replayed"
    if model.split not in ("", "temporal"):
        return f"trained on a {model.split} split of these plays, so it has seen outcomes that are replayed"
    if 0 < model.test_share < holdout:
        seen = f"trained on the first {1 - model.test_share:.0%} of these plays"
        return f"{seen}, and the last {holdout:.0%} are replayed"
    return None


def _serves(model: Model) -> bool:
    return model.state == "serving"
