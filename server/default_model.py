"""The model that answers when a request names none."""

from collections.abc import Mapping

from server.errors import StartError
from server.loaded_models import LoadedModel


def default_model(serving: Mapping[str, LoadedModel], configured: str | None) -> str:
    """Returns the name of the model that answers when a request names none.

    Args:
        serving: The version that serves, by name.
        configured: The configured one, or None for the one with the lowest log loss on its held-out plays.

    Raises:
        StartError: When the configured one is not loaded.
    """
    if configured is None:
        return min(serving, key=lambda name: serving[name].predictor.metrics.get("log_loss", float("inf")))
    if configured not in serving:
        raise StartError(f"the default model {configured!r} is not among those loaded: {', '.join(serving)}")
    return configured
