"""New models and a changed experiment, swapped in while the old ones answer."""

import asyncio
from collections.abc import Callable, Collection, Mapping

import structlog

from server.daemon_thread import run_in_daemon_thread
from server.errors import StartError
from server.experiment.assignment import Experiment
from server.experiment.definition import equal_definition, read_definition, resolve
from server.loaded_models import LoadedModels
from server.model_loader import Key, ModelLoader
from server.polling import file_stamp
from server.service import PredictionService
from server.settings import ServerSettings

_log = structlog.get_logger("server.hot_swap")


def load_models(
    loader: ModelLoader, settings: ServerSettings, versions_kept: int = 1, spared: Collection[Key] = ()
) -> tuple[LoadedModels, Experiment]:
    """Loads the models that serve, and those that the experiment's arms ask for beyond them. Blocks.

    Args:
        loader: Keeps what is loaded already.
        settings: Name the experiment's file, or the experiment where there is none.
        versions_kept: How many versions of a name to load.
        spared: Versions that the loader keeps although they are asked for no more.

    Raises:
        StartError: When no model can be loaded, or the file is wrong or asks for what is not there.
    """
    if settings.experiment_file is None:
        library = loader.load(versions_kept)
        definition = equal_definition(settings.experiment, settings.experiment_salt, _newest(library))
    else:
        definition = read_definition(settings.experiment_file)
        pinned = [(arm.model_name, arm.pinned_version) for arm in definition.arms if arm.pinned_version]
        library = loader.load(versions_kept, pinned, spared)
    return library, _with_digests(resolve(definition, _newest(library)), library)


class HotSwap:
    """Keeps a service's models and experiment as the registry and the experiment's file have them."""

    def __init__(
        self,
        loader: ModelLoader,
        settings: ServerSettings,
        service: PredictionService,
        swapped: Callable[[], None],
    ) -> None:
        """Notes how the experiment's file is now; `swapped` is called after each replacement."""
        self._loader = loader
        self._settings = settings
        self._service = service
        self._swapped = swapped
        self._registry_handled: Mapping[Key, object] | None = None
        self._registry_before: Mapping[Key, object] | None = None
        self._file_seen = settings.experiment_file and file_stamp(settings.experiment_file)
        # The registry's look and the file's both load: the later one must win.
        self._lock = asyncio.Lock()

    async def look_at_registry(self) -> None:
        """Swaps in what is new in the registry; the first time, loads the older versions that are kept."""
        now = await asyncio.to_thread(self._loader.scan)
        # Two equal looks in a row: nobody is copying files there at this moment.
        if now != self._registry_handled and now == self._registry_before:
            await self.reload()
            self._registry_handled = now
        self._registry_before = now

    async def look_at_experiment_file(self) -> None:
        """Takes over the experiment's file when it has changed."""
        stamp = self._settings.experiment_file and file_stamp(self._settings.experiment_file)
        if stamp != self._file_seen:
            self._file_seen = stamp
            await self.reload()

    async def reload(self) -> None:
        """Replaces models and experiment between two requests; a wrong file changes no experiment."""
        async with self._lock:
            before = self._service.library, self._service.experiment
            try:
                after = await run_in_daemon_thread(self._load, before[1])
            except StartError as error:
                _log.error("registry_unusable", reason=str(error))
                return
            self._service.library, self._service.experiment = after
            self._swapped()
        _log_changes(before, after)

    def _load(self, experiment: Experiment) -> tuple[LoadedModels, Experiment]:
        kept, running = self._settings.versions_kept, [(arm.model, arm.version) for arm in experiment.arms]
        try:
            return load_models(self._loader, self._settings, kept, running)
        except Exception as error:  # whatever the file makes of it: new versions must be served
            if self._settings.experiment_file is None:
                raise
            _log.error("experiment_file_refused", reason=str(error), kept="the experiment as it was")
            library = self._loader.load(kept, running)
            return library, _with_digests(experiment, library)


def _with_digests(experiment: Experiment, library: LoadedModels) -> Experiment:
    keys = [(arm.model, arm.version) for arm in experiment.arms]
    return experiment.with_digests({key: library.find(*key).predictor.digest for key in keys})


def _newest(library: LoadedModels) -> dict[str, str]:
    return {name: model.predictor.version for name, model in library.serving.items()}


def _log_changes(before: tuple[LoadedModels, Experiment], after: tuple[LoadedModels, Experiment]) -> None:
    """Logs what another look has changed, if anything that callers can notice."""
    library, experiment = after
    if (library.serving, library.failed) != (before[0].serving, before[0].failed):
        _log.info("models_swapped", serving=_newest(library), failed=len(library.failed))
    if library.default_model != before[0].default_model:
        _log.warning(
            "default_model_changed",
            before=before[0].default_model,
            after=library.default_model,
            reason=library.default_reason,
            hint="pin one by --default-model, or train all models on one split of one data set",
        )
    if experiment.phase != before[1].phase:
        shares = {arm.name: round(arm.probability, 4) for arm in experiment.arms}
        _log.info("new_phase", experiment=experiment.name, phase=experiment.phase, arms=shares)
