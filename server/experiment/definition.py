"""The experiment's settings file, and the experiment that it describes once models are loaded."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from server.errors import StartError
from server.experiment.assignment import Arm, Experiment
from server.experiment.metric import DEFAULT_METRIC, Metric

_MAX_BYTES = 256 << 10  # a hundred arms with the longest names take a fifth of it
_MAX_DOTS = 256  # tomllib's time grows with the square of a dotted key's parts: 27 s for 40,000


class ArmDefinition(BaseModel):
    """An arm as the file describes it.

    Attributes:
        model: `NAME`, served in its newest version, or `NAME@VERSION`.
        weight: Share of the traffic, relative to the other arms'.
        name: Name of the arm; what `model` says by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(pattern=r"^[^@\s]+(@[^@\s]+)?$", max_length=200)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    name: str = Field(default="", max_length=200)

    @property
    def label(self) -> str:
        """Returns the arm's name."""
        return self.name or self.model

    @property
    def model_name(self) -> str:
        """Returns the model's name."""
        return self.model.partition("@")[0]

    @property
    def pinned_version(self) -> str | None:
        """Returns the version that the file asks for, or None for the newest."""
        return self.model.partition("@")[2] or None


class ExperimentDefinition(BaseModel):
    """An experiment as its file describes it.

    Attributes:
        name: Name of the experiment, logged with each prediction.
        salt: Salt of the sticky assignment; the name by default.
        metric: What decides the experiment, logged with each prediction.
        arms: What is compared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=200)
    salt: str | None = None
    metric: Metric = DEFAULT_METRIC
    arms: list[ArmDefinition] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _names_differ(self) -> "ExperimentDefinition":
        names = [arm.label for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        return self

    @model_validator(mode="after")
    def _all_have_a_share(self) -> "ExperimentDefinition":
        total = sum(arm.weight for arm in self.arms)
        if not all(arm.weight / total > 0 for arm in self.arms):
            raise ValueError("the weights are too large, or too far apart: an arm's share comes to 0")
        return self


def read_definition(path: Path) -> ExperimentDefinition:
    """Returns what an experiment's TOML file describes.

    Raises:
        StartError: When it cannot be read or is wrong; names the place.
    """
    try:
        return ExperimentDefinition.model_validate(tomllib.loads(_read(path)))
    except OSError as error:
        raise StartError(f"cannot read the experiment file {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(_shown, first["loc"]))
        raise StartError(f"{path}: {place + ': ' if place else ''}{first['msg']}") from None
    except ValueError as error:  # TOML's, or UTF-8's
        raise StartError(f"{path}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise StartError(f"{path}: nested too deeply") from None


def _read(path: Path) -> str:
    """Returns a file's text; a pipe would never end, and a huge file fill the memory."""
    if not path.is_file() and path.exists():
        raise ValueError("not a file")
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES >> 10} KiB")
    if max(line.count(b".") for line in content.split(b"\n")) > _MAX_DOTS:
        raise ValueError(f"more than {_MAX_DOTS} dots on one line")
    return content.decode("utf-8")


def _shown(part: str | int) -> str:
    """Returns a part of a place in the file, a key there, as it can be shown on one line."""
    text = str(part)
    return text if text.isprintable() else repr(text)


def equal_definition(name: str, salt: str | None, models: Mapping[str, str]) -> ExperimentDefinition:
    """Returns a definition that gives each model, of a version by name, an arm and an equal share."""
    arms = [ArmDefinition(model=model) for model in models]
    return ExperimentDefinition(name=name, salt=salt, arms=arms)


def resolve(definition: ExperimentDefinition, newest: Mapping[str, str]) -> Experiment:
    """Returns the experiment that a definition describes.

    Args:
        definition: What the file says.
        newest: The version that serves, by model name.

    Raises:
        StartError: When an arm's model is not served.
    """
    total = sum(arm.weight for arm in definition.arms)
    arms = []
    for arm in definition.arms:
        version = arm.pinned_version or newest.get(arm.model_name)
        if version is None:
            served = ", ".join(sorted(newest))
            raise StartError(f"experiment {definition.name!r}: no model {arm.model_name!r} among {served}")
        arms.append(Arm(arm.label, arm.model_name, version, arm.weight / total))
    salt = definition.salt or definition.name
    return Experiment(definition.name, salt, arms, metric=definition.metric.value)
