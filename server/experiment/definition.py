"""The experiment's settings file, and the experiment that it describes once models are loaded."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.errors import StartError
from server.experiment.assignment import Arm, Experiment
from server.experiment.metric import DEFAULT_METRIC, Metric
from server.toml_file import read_toml


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
    return read_toml(path, "experiment file", ExperimentDefinition)


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
