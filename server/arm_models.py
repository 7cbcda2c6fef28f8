"""Gives the experiment's arms their models, and follows the experiment's file and the registry."""

import asyncio

import structlog

from models.registry import Fingerprint
from server.errors import StartError, UnknownModelError
from server.experiment.assignment import Experiment
from server.experiment.definition import equal_definition, read_definition, resolve
from server.library import Library
from server.model_loading import VersionLoader
from server.ports import LoadedModel
from server.service import ArmModels, PredictionService
from server.settings import ServerSettings

_log = structlog.get_logger("server.experiment")


class ArmLoader:
    """Reads the experiment, and loads what its arms need beyond the models that serve.

    Blocks; its calls must not overlap.
    """

    def __init__(self, settings: ServerSettings, versions: VersionLoader) -> None:
        """Takes where the experiment's file is, and what loads the models that it names."""
        self._settings = settings
        self._versions = versions
        self._loaded: dict[tuple[str, str], tuple[Fingerprint, LoadedModel]] = {}

    def load(self, library: Library) -> tuple[Experiment, ArmModels]:
        """Returns the experiment as its file says now, and its arms' models.

        Args:
            library: What is loaded already; its models are used where they can be.

        Raises:
            StartError: When the file is wrong, or a model that it names cannot be loaded.
        """
        newest = {name: model.predictor.version for name, model in library.serving.items()}
        if self._settings.experiment_file is None:
            definition = equal_definition(self._settings.experiment, self._settings.experiment_salt, newest)
        else:
            definition = read_definition(self._settings.experiment_file)
        experiment = resolve(definition, newest)
        needed = dict.fromkeys((arm.model, arm.version) for arm in experiment.arms)
        models = {key: self._model(library, *key) for key in needed}
        self._loaded = {key: entry for key, entry in self._loaded.items() if key in needed}
        digests = {key: model.predictor.digest for key, model in models.items()}
        return experiment.with_digests(digests), models

    def _model(self, library: Library, name: str, version: str) -> LoadedModel:
        try:
            return library.find(name, version)
        except UnknownModelError:
            return self._load(name, version)

    def _load(self, name: str, version: str) -> LoadedModel:
        """Loads a version that does not serve otherwise, again when its files are others than before."""
        registry = self._versions.registry
        fingerprint = registry.scan().get((name, version))
        kept = self._loaded.get((name, version))
        if kept is not None and kept[0] == fingerprint:
            return kept[1]
        if fingerprint is None or version not in registry.versions(name):
            if kept is not None:  # its files have gone, and it still serves
                return kept[1]
            missing = f"the experiment asks for {name}@{version}, which {registry.root} does not hold"
            raise StartError(missing)
        try:
            model = self._versions.load(name, version)
        except Exception as error:  # whatever the files make the libraries raise
            raise StartError(f"the experiment asks for {name}@{version}: {error}") from error
        self._loaded[name, version] = (fingerprint, model)
        return model


class ExperimentFollower:
    """Makes a service's experiment what its file and the registry say, one change after the other."""

    def __init__(self, loader: ArmLoader, service: PredictionService) -> None:
        """Takes what loads, and what is to follow."""
        self._loader = loader
        self._service = service
        # The file's watcher and the registry's both come here: the later look must win.
        self._lock = asyncio.Lock()

    async def follow(self) -> None:
        """Takes over what has changed; between two requests, never within one.

        Raises:
            StartError: When the file is wrong; the service keeps the experiment that it has.
        """
        async with self._lock:
            service = self._service
            experiment, arm_models = await asyncio.to_thread(self._loader.load, service.library)
            # The models also when the phase goes on: files may have been replaced under the same version.
            service.arm_models = arm_models
            if experiment.phase == service.experiment.phase:
                return
            service.experiment = experiment
        shares = {arm.name: round(arm.probability, 4) for arm in experiment.arms}
        _log.info("new_phase", experiment=experiment.name, phase=experiment.phase, arms=shares)

    async def follow_or_keep(self) -> None:
        """Takes over what has changed, or logs why not."""
        try:
            await self.follow()
        except StartError as error:
            _log.error("experiment_file_refused", reason=str(error), kept="the experiment as it was")
