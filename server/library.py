"""The models that serve, as one value that is replaced in one step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.errors import StartError, UnknownModelError
from server.ports import LoadedModel


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
class Library:
    """Everything that is loaded at one moment.

    Attributes:
        loaded: Every loaded version, by name, each name's newest first: that one serves.
        default_model: Name of the model that answers when a request names none.
        failed: What could not be loaded.
        serving: The version that serves, by name.
    """

    loaded: Mapping[str, tuple[LoadedModel, ...]]
    default_model: str
    failed: tuple[FailedVersion, ...] = ()
    serving: Mapping[str, LoadedModel] = field(init=False)

    def __post_init__(self) -> None:
        """Looks up once what every request needs."""
        object.__setattr__(self, "serving", {name: versions[0] for name, versions in self.loaded.items()})

    def find(self, name: str, version: str = "") -> LoadedModel:
        """Returns the model that a request asks for.

        Args:
            name: Model; empty for the default one.
            version: Version; empty for the one that serves.

        Raises:
            UnknownModelError: It is not loaded.
        """
        name = name or self.default_model
        if not version:
            model = self.serving.get(name)
            if model is not None:
                return model
        for model in self.loaded.get(name, ()):
            if model.predictor.version == version:
                return model
        raise UnknownModelError(name, version)

    def health(self) -> dict[str, bool]:
        """Returns whether each known model serves; one of which every version failed does not."""
        return {model.name: False for model in self.failed} | dict.fromkeys(self.serving, True)


def choose_default(serving: Mapping[str, LoadedModel], wanted: str | None) -> str:
    """Names the model that answers when a request names none.

    Args:
        serving: The version that serves, by name.
        wanted: The configured one, or None for the one with the lowest log loss on its held-out plays.

    Returns:
        Its name.

    Raises:
        StartError: When the configured one is not loaded.
    """
    if wanted is not None:
        if wanted not in serving:
            raise StartError(f"the default model {wanted!r} is not among those loaded: {', '.join(serving)}")
        return wanted
    return min(serving, key=lambda name: serving[name].predictor.metrics.get("log_loss", float("inf")))
