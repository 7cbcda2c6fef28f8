"""Which models serve: the newest version of each name that can be loaded."""

from datetime import UTC, datetime
from pathlib import Path

import structlog

from data import Catalogue
from models.artifact import ArtifactError
from models.predictor import load_predictor
from models.registry import Registry
from server.errors import StartError
from server.ports import LoadedModel

_log = structlog.get_logger("server.loading")


def load_models(registry_directory: Path, catalogue: Catalogue) -> dict[str, LoadedModel]:
    """Loads every model of a registry.

    Args:
        registry_directory: The registry's folder.
        catalogue: Tracks to predict for.

    Returns:
        The models by name. A broken version is logged and an older one of that name serves instead.

    Raises:
        StartError: When no model can be loaded.
    """
    registry = Registry(registry_directory)
    loaded = {}
    for name in registry.names():
        model = _load_newest(registry, name, catalogue)
        if model is not None:
            loaded[name] = model
    if not loaded:
        raise StartError(
            f"no model can be served from {registry_directory}: train some with "
            f"`python -m trainer --models {registry_directory}`"
        )
    return loaded


def load_version(registry: Registry, name: str, version: str, catalogue: Catalogue) -> LoadedModel:
    """Loads one version of a model.

    Raises:
        ArtifactError: When it is broken.
    """
    predictor = load_predictor(registry.path(name, version), catalogue)
    _log.info("model_loaded", model=name, version=version)
    return LoadedModel(predictor, datetime.now(UTC))


def choose_default(models: dict[str, LoadedModel], wanted: str | None) -> str:
    """Names the model that answers when a request names none.

    Args:
        models: The loaded models by name.
        wanted: The configured one, or None for the one with the lowest log loss on its held-out plays.

    Returns:
        Its name.

    Raises:
        StartError: When the configured one is not loaded.
    """
    if wanted is not None:
        if wanted not in models:
            raise StartError(f"the default model {wanted!r} is not among those loaded: {', '.join(models)}")
        return wanted
    return min(models, key=lambda name: models[name].predictor.metrics.get("log_loss", float("inf")))


def _load_newest(registry: Registry, name: str, catalogue: Catalogue) -> LoadedModel | None:
    for version in reversed(registry.versions(name)):
        try:
            return load_version(registry, name, version, catalogue)
        except ArtifactError as error:
            _log.error("model_refused", model=name, version=version, reason=str(error))
    return None
