"""Gives the experiment's arms their models, and follows the experiment's file."""

import asyncio
from collections.abc import Mapping

import structlog

from data import read_catalogue
from models.artifact import ArtifactError
from models.registry import Registry
from server.errors import StartError
from server.experiment.assignment import Experiment
from server.experiment.definition import equal_definition, read_definition, resolve
from server.loading import load_version
from server.ports import LoadedModel
from server.service import ArmModels, PredictionService
from server.settings import ServerSettings

_log = structlog.get_logger("server.experiment")


def load_experiment(
    settings: ServerSettings, models: Mapping[str, LoadedModel], loaded: ArmModels | None = None
) -> tuple[Experiment, ArmModels]:
    """Reads the experiment and loads what its arms need beyond the models that serve.

    Args:
        settings: Where the experiment's file and the models are.
        models: The models that serve, in their newest version, by name.
        loaded: Versions that earlier arms needed; used again.

    Returns:
        The experiment, and its arms' models.

    Raises:
        StartError: When the file is wrong, or a model that it names cannot be loaded.
    """
    newest = {name: model.predictor.version for name, model in models.items()}
    if settings.experiment_file is None:
        definition = equal_definition(settings.experiment, settings.experiment_salt, newest)
    else:
        definition = read_definition(settings.experiment_file)
    experiment = resolve(definition, newest)
    known = dict(loaded or {}) | {(name, newest[name]): model for name, model in models.items()}
    needed = dict.fromkeys((arm.model, arm.version) for arm in experiment.arms)
    return experiment, {key: known.get(key) or _load(settings, *key) for key in needed}


async def follow(settings: ServerSettings, service: PredictionService) -> None:
    """Makes a service's experiment what its file says now; between two requests, never within one.

    Raises:
        StartError: When the file is wrong; the service keeps the experiment that it has.
    """
    experiment, arm_models = await asyncio.to_thread(
        load_experiment, settings, service.library.serving, service.arm_models
    )
    if experiment.phase == service.experiment.phase:
        return
    service.experiment, service.arm_models = experiment, arm_models
    shares = {arm.name: round(arm.probability, 4) for arm in experiment.arms}
    _log.info("new_phase", experiment=experiment.name, phase=experiment.phase, arms=shares)


def _load(settings: ServerSettings, name: str, version: str) -> LoadedModel:
    """Loads a version that does not serve otherwise."""
    registry = Registry(settings.models)
    if version not in registry.versions(name):
        raise StartError(f"the experiment asks for {name}@{version}, which {settings.models} does not hold")
    try:
        return load_version(registry, name, version, read_catalogue(settings.data_directory))
    except ArtifactError as error:
        raise StartError(f"the experiment asks for {name}@{version}: {error}") from error
