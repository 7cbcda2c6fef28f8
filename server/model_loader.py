"""Loads models from the registry: each name's newest good versions, and those that an experiment pins."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain, groupby

import structlog

from data import Catalogue
from models import ArtifactError, Registry, load_predictor
from models.registry import Fingerprint
from server.data_check import ServedData
from server.default_model import default_model
from server.errors import StartError
from server.loaded_models import FailedVersion, LoadedModel, LoadedModels

Key = tuple[str, str]
"""Name and version."""

# Without a core to spare, a load that never rested would take the calls' time. With rests, 20,000 tracks take
# some 2 s.
_REST_S = 0.01

_log = structlog.get_logger("server.model_loader")


class ModelLoader:
    """Turns what is in the registry into libraries; loads each state of a version's files once.

    Its methods block, and calls of `load` must not overlap.

    Attributes:
        registry: Where the versions are.
        catalogue: Tracks to predict for.
        served: The data set that is served.
    """

    def __init__(
        self, registry: Registry, catalogue: Catalogue, configured_default: str | None, served: ServedData
    ) -> None:
        """Starts with nothing loaded.

        Args:
            registry: Where the versions are.
            catalogue: Tracks to predict for.
            configured_default: The default model, or None to choose as `server.default_model` does.
            served: The data set that is served.
        """
        self.registry = registry
        self.served = served
        self.catalogue = catalogue
        self._configured_default = configured_default
        self._yielding = False
        self._loaded: dict[Key, tuple[Fingerprint, LoadedModel]] = {}
        self._failed: dict[Key, tuple[Fingerprint, FailedVersion]] = {}

    @contextmanager
    def yielding(self) -> Iterator[None]:
        """Lets loads yield the core again and again, for the duration of a block, to calls that are answered.

        One that is still under way at the end goes on without.
        """
        self._yielding = True
        try:
            yield
        finally:
            self._yielding = False

    def scan(self) -> Mapping[Key, Fingerprint]:
        """Returns what the registry looks like now; equal results mean that nothing has changed."""
        return self.registry.scan()

    def load(
        self, versions_kept: int = 1, pinned: Collection[Key] = (), spared: Collection[Key] = ()
    ) -> LoadedModels:
        """Loads what is new and keeps what is loaded already.

        A version that cannot be loaded is logged once, and an older one of that name serves instead. A name
        whose last version has gone from the registry keeps the one that it has, and so does a pinned version.

        Args:
            versions_kept: How many versions of a name to load.
            pinned: Versions to load beyond those.
            spared: Versions that are not to be forgotten although the result lacks them: it may not be
                used, and the registry have them no more.

        Raises:
            StartError: When no model can be loaded, or the configured default or a pinned version cannot.
        """
        found = self.scan()
        loaded: dict[str, tuple[LoadedModel, ...]] = {}
        for name, keys in groupby(found, key=lambda key: key[0]):
            if newest := self._newest(list(keys)[::-1], found, versions_kept):
                loaded[name] = newest
        for name, version in sorted(self._loaded, key=lambda key: int(key[1]), reverse=True):
            loaded.setdefault(name, (self._loaded[name, version][1],))
        if not loaded:
            raise StartError(no_models(self.registry))
        for key in pinned:
            model = self._pinned(key, found)
            if model not in loaded[key[0]]:
                loaded[key[0]] += (model,)
        return self._library(dict(sorted(loaded.items())), found, spared)

    def _library(
        self,
        loaded: dict[str, tuple[LoadedModel, ...]],
        found: Mapping[Key, Fingerprint],
        spared: Collection[Key],
    ) -> LoadedModels:
        """Returns a library, and forgets what it does not hold, but for those spared."""
        kept = {(model.predictor.name, model.predictor.version) for model in chain(*loaded.values())}
        self._loaded = {key: entry for key, entry in self._loaded.items() if key in kept or key in spared}
        self._failed = {key: entry for key, entry in self._failed.items() if key in found}
        serving = {name: versions[0] for name, versions in loaded.items()}
        failed = tuple(failure for key, (_, failure) in self._failed.items() if key not in kept)
        default = default_model(serving, self._configured_default, lambda: self.served.digest)
        return LoadedModels(loaded, *default, failed)

    def _newest(
        self, keys: list[Key], found: Mapping[Key, Fingerprint], versions_kept: int
    ) -> tuple[LoadedModel, ...]:
        """Returns a name's newest versions that can be loaded, newest first."""
        good: list[LoadedModel] = []
        for key in keys:
            if len(good) == versions_kept:
                break
            model = self._load(key, found[key])
            if model is not None:
                good.append(model)
        return tuple(good)

    def _pinned(self, key: Key, found: Mapping[Key, Fingerprint]) -> LoadedModel:
        """Returns a version as its files are now, or as they were while they could still be loaded."""
        if key in found and (model := self._load(key, found[key])):
            return model
        if key in self._loaded:
            return self._loaded[key][1]
        reason = f"which {self.registry.root} does not hold"
        if key in self._failed:
            reason = f"which cannot be loaded: {self._failed[key][1].reason}"
        raise StartError(f"the experiment asks for {key[0]}@{key[1]}, {reason}")

    def _load(self, key: Key, fingerprint: Fingerprint) -> LoadedModel | None:
        """Returns a version, or None when it cannot be loaded; tries each state of its files once."""
        kept, refused = self._loaded.get(key), self._failed.get(key)
        if kept is not None and kept[0] == fingerprint:
            return kept[1]
        if refused is not None and refused[0] == fingerprint:
            return None
        name, version = key
        try:
            path = self.registry.path(name, version)
            predictor = load_predictor(path, self.catalogue, self._yield_control)
            predictor.predict_one(predictor.track_ids[0], ())  # the first is the slowest
        except ArtifactError as error:
            self._refuse(key, fingerprint, str(error))
            return None
        except Exception as error:  # whatever such files make the libraries raise: the others must serve
            _log.exception("model_load_failed", model=name, version=version)
            self._refuse(key, fingerprint, f"it cannot be loaded ({type(error).__name__})")
            return None
        _log.info("model_loaded", model=name, version=version, digest=predictor.digest)
        self._failed.pop(key, None)
        self._loaded[key] = (fingerprint, LoadedModel(predictor, datetime.now(UTC)))
        return self._loaded[key][1]

    def _refuse(self, key: Key, fingerprint: Fingerprint, reason: str) -> None:
        self._failed[key] = (fingerprint, FailedVersion(*key, reason))
        _log.error("model_refused", model=key[0], version=key[1], reason=reason)

    def _yield_control(self) -> None:
        if self._yielding:
            time.sleep(_REST_S)


def no_models(registry: Registry) -> str:
    """Returns what to tell who has no model to serve; a temporal split keeps replay and simulate honest."""
    return (
        f"no model can be served from {registry.root}: "
        f"train some with `python -m trainer --split temporal --models {registry.root}`"
    )
