"""The models that answer, as one value that is replaced in one step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from models import Predictor
from server.errors import UnknownModelError


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that answers.

    Attributes:
        predictor: The model.
        loaded_at: When it was loaded (UTC).
    """

    predictor: Predictor
    loaded_at: datetime


@dataclass(frozen=True, slots=True)
class FailedVersion:
    """A version that was refused.

    Attributes:
        name: Model.
        version: Version of it.
        reason: Why, in a line.
    """

    name: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """Everything that is loaded at one moment.

    Attributes:
        loaded: Every loaded version, by name. Each name's first one serves; the others answer by version.
        default_model: Name of the model that answers when a request names none.
        default_reason: Why it is that one, in a line.
        failed: What could not be loaded.
        serving: The version that serves, by name.
    """

    loaded: Mapping[str, tuple[LoadedModel, ...]]
    default_model: str
    default_reason: str = ""
    failed: tuple[FailedVersion, ...] = ()
    serving: Mapping[str, LoadedModel] = field(init=False)
    _asked: Mapping[tuple[str, str], LoadedModel] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Looks up once what every request needs: models by name and version, "" for the one that serves."""
        serving = {name: versions[0] for name, versions in self.loaded.items()}
        asked = {(name, ""): model for name, model in serving.items()}
        for name, versions in self.loaded.items():
            asked |= {(name, model.predictor.version): model for model in versions}
        object.__setattr__(self, "serving", serving)
        object.__setattr__(self, "_asked", asked)

    def find(self, name: str, version: str = "") -> LoadedModel:
        """Returns the model that a request asks for.

        Args:
            name: Model; empty for the default one.
            version: Version; empty for the one that serves.

        Raises:
            UnknownModelError: It is not loaded.
        """
        model = self._asked.get((name or self.default_model, version))
        if model is None:
            raise UnknownModelError(name or self.default_model, version)
        return model

    def health(self) -> dict[str, bool]:
        """Returns whether each known model serves; one of which every version failed does not."""
        return {model.name: False for model in self.failed} | dict.fromkeys(self.serving, True)
