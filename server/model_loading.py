"""Loads models from the registry: each name's newest versions that can be loaded."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import groupby

import structlog

from data import Catalogue
from models.artifact import ArtifactError
from models.predictor import load_predictor
from models.registry import Fingerprint, Registry
from server.errors import StartError
from server.library import FailedVersion, Library, choose_default
from server.ports import LoadedModel

Key = tuple[str, str]

# Without a core to spare, a load that never rested would take the calls' time. With rests, 20,000 tracks take
# some 2 s.
_REST_S = 0.01

_log = structlog.get_logger("server.model_loading")


class VersionLoader:
    """Loads one version of a model, and warms it up. Blocks.

    Attributes:
        registry: Where the versions are.
        catalogue: Tracks to predict for.
        gently: Whether to rest again and again, for the calls that are answered meanwhile.
    """

    def __init__(self, registry: Registry, catalogue: Catalogue) -> None:
        """Takes where to load from; loads as fast as it can until told to be gentle."""
        self.registry = registry
        self.catalogue = catalogue
        self.gently = False

    def load(self, name: str, version: str) -> LoadedModel:
        """Returns the version.

        Raises:
            ArtifactError: When it is broken.
        """
        predictor = load_predictor(self.registry.path(name, version), self.catalogue, self._give_way)
        predictor.finish([predictor.start(predictor.track_ids[0], ())])  # the first is the slowest
        _log.info("model_loaded", model=name, version=version)
        return LoadedModel(predictor, datetime.now(UTC))

    def hurry(self) -> None:
        """Ends a load under way without rests."""
        self.gently = False

    def _give_way(self) -> None:
        if self.gently:
            time.sleep(_REST_S)


class ModelLoader:
    """Turns what is in the registry into libraries. Blocks; its calls must not overlap.

    Attributes:
        versions: Loads single versions.
    """

    def __init__(self, versions: VersionLoader, default_model: str | None) -> None:
        """Takes where to load from.

        Args:
            versions: Loads single versions.
            default_model: The configured default, or None to choose by log loss.
        """
        self.versions = versions
        self._default_model = default_model
        self._loaded: dict[Key, tuple[Fingerprint, LoadedModel]] = {}
        self._failed: dict[Key, tuple[Fingerprint, FailedVersion]] = {}

    def scan(self) -> Mapping[Key, Fingerprint]:
        """Returns what the registry looks like now; equal results mean that nothing has changed."""
        return self.versions.registry.scan()

    def load(self, versions_kept: int = 1) -> Library:
        """Loads what is new and keeps what is loaded already.

        A version that cannot be loaded is logged once, and an older one of that name serves instead. A name
        whose last version has gone from the registry keeps the one that it has.

        Args:
            versions_kept: How many versions of a name to load.

        Returns:
            The library.

        Raises:
            StartError: When no model can be loaded, or the configured default cannot.
        """
        found = self.scan()
        loaded = {
            name: good
            for name, keys in groupby(found, key=lambda key: key[0])
            if (good := self._load_newest(list(keys)[::-1], found, versions_kept))
        }
        for (name, _), (_, model) in sorted(self._loaded.items(), key=_by_version, reverse=True):
            loaded.setdefault(name, (model,))
        if not loaded:
            root = self.versions.registry.root
            raise StartError(
                f"no model can be served from {root}: train some with `python -m trainer --models {root}`"
            )
        wanted = {(name, model.predictor.version) for name, versions in loaded.items() for model in versions}
        self._loaded = {key: entry for key, entry in self._loaded.items() if key in wanted}
        self._failed = {key: entry for key, entry in self._failed.items() if key in found}
        serving = {name: versions[0] for name, versions in sorted(loaded.items())}
        failed = tuple(failure for _, failure in self._failed.values())
        default = choose_default(serving, self._default_model)
        return Library(dict(sorted(loaded.items())), default, failed)

    def _load_newest(
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

    def _load(self, key: Key, fingerprint: Fingerprint) -> LoadedModel | None:
        """Returns a version, or None when it cannot be loaded; tries each state of its files once."""
        kept, refused = self._loaded.get(key), self._failed.get(key)
        if kept is not None and kept[0] == fingerprint:
            return kept[1]
        if refused is not None and refused[0] == fingerprint:
            return None
        name, version = key
        try:
            model = self.versions.load(name, version)
        except ArtifactError as error:
            self._refuse(key, fingerprint, str(error))
            return None
        except Exception as error:  # whatever such files make the libraries raise: the others must serve
            _log.exception("model_load_failed", model=name, version=version)
            self._refuse(key, fingerprint, f"it cannot be loaded ({type(error).__name__})")
            return None
        self._failed.pop(key, None)
        self._loaded[key] = (fingerprint, model)
        return model

    def _refuse(self, key: Key, fingerprint: Fingerprint, reason: str) -> None:
        name, version = key
        self._failed[key] = (fingerprint, FailedVersion(name, version, reason))
        _log.error("model_refused", model=name, version=version, reason=reason)


def _by_version(entry: tuple[Key, object]) -> int:
    return int(entry[0][1])
