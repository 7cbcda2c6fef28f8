"""The readable part of an artifact: what the model is, where it came from and how good it is."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from models.calibration import Calibration

FORMAT_VERSION: Literal[3] = 3


class Manifest(BaseModel):
    """What `manifest.json` says about a model, apart from the checksums of the other files.

    Attributes:
        format_version: Layout of the folder; a reader refuses any but its own.
        name: Model name.
        version: Version, a whole number from 1 written in decimal.
        description: One sentence for people.
        created_at: When it was trained, with a time zone.
        data_digest: SHA-256 (hex) of the data set it was trained on.
        data_licence: Licence of that data set, as the one who trained put it.
        features: Feature recipe (components, clusters, audio columns).
        split: How the plays were split.
        recipe: Training recipe.
        classes: What the network's outputs mean, in order.
        required_inputs: Request fields that the model needs.
        calibration: What the network's logits are mapped by where the listener is known, fitted on plays held
            out of its training part.
        threshold: Play-through probability below which a play counts as skipped.
        training: How the run went: sizes of the parts, epochs, seconds, device.
        refitted: Whether the model was trained on all plays once it had been evaluated; its metrics are then
            those of a model that saw the training part alone.
        metrics: Measured on the test part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format_version: Literal[3] = FORMAT_VERSION
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    version: str = Field(pattern=r"^[1-9][0-9]{0,8}$")
    description: str
    created_at: datetime
    data_digest: str
    data_licence: str = "unspecified"
    features: dict[str, JsonValue]
    split: dict[str, JsonValue]
    recipe: dict[str, JsonValue]
    classes: tuple[Literal["skipped"], Literal["played_through"]] = ("skipped", "played_through")
    required_inputs: tuple[str, ...]
    calibration: Calibration = Calibration()
    threshold: float = Field(default=0.5, ge=0, le=1)
    training: dict[str, JsonValue] = Field(default_factory=dict)
    refitted: bool = False
    metrics: dict[str, float]
