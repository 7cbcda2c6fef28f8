"""The model that answers when a request names none."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from server.errors import StartError
from server.loaded_models import LoadedModel
from server.measurement import Measurement, measurement_of

# The hardest to flatter first: strangers' plays, then later plays of known listeners, then any of theirs.
_SPLITS = ("listener", "temporal", "random")


class DefaultModel(NamedTuple):
    """Name of the model that answers when a request names none, and why it is that one, in a line."""

    name: str
    reason: str


def default_model(
    serving: Mapping[str, LoadedModel],
    configured: str | None,
    served_digest: Callable[[], str | None] = lambda: None,
) -> DefaultModel:
    """Returns the model that answers when a request names none.

    The configured one, if there is one. Else figures are compared only among models that were measured on the
    same split of the same data set. Of such groups the first by these counts, one after the other:

    1. measured on the data set that is served;
    2. of two models or more: one alone has been compared with none, so that a single model that is trained
       again with another split does not become the default by that;
    3. the split that is hardest to flatter: listener, temporal, random, any other;
    4. more models;
    5. the first of their names.

    In the group the lowest log loss wins, then the first name. Models without a log loss come last. The order
    of loading, or what was the default before, makes no difference: workers and restarts agree.

    Args:
        serving: The version that serves, by name; at least one.
        configured: The configured one, or None to choose.
        served_digest: Returns the digest of the data set that is served, None when it is unknown; called only
            where models of several data sets serve.

    Raises:
        StartError: When the configured one is not loaded.
    """
    if configured is not None:
        if configured not in serving:
            known = ", ".join(sorted(serving))
            raise StartError(f"the default model {configured!r} is not among those loaded: {known}")
        return DefaultModel(configured, "configured")
    log_loss = {
        name: model.predictor.metrics["log_loss"]
        for name, model in sorted(serving.items())
        if "log_loss" in model.predictor.metrics
    }
    if not log_loss:
        return DefaultModel(min(serving), "the first name: no model has a log loss")
    groups: defaultdict[Measurement, list[str]] = defaultdict(list)
    for name in log_loss:
        groups[measurement_of(serving[name].predictor)].append(name)
    digest = served_digest() if len({it.data_digest for it in groups}) > 1 else None
    chosen = min(groups, key=lambda it: _preference(it, groups[it], digest))
    # The names are sorted, and min takes the first of equals.
    best = min(groups[chosen], key=log_loss.__getitem__)
    return DefaultModel(best, f"the lowest log loss of {', '.join(groups[chosen])}: {chosen}")


def _preference(measurement: Measurement, names: list[str], digest: str | None) -> tuple[object, ...]:
    """Returns what sorts a group of models, by sorted names, before those that count less."""
    split = measurement.split
    return (
        measurement.data_digest != digest,
        len(names) == 1,
        _SPLITS.index(split) if split in _SPLITS else len(_SPLITS),
        -len(names),
        names[0],
    )
