"""Training recipes: how each model is trained. A new model is a network class and an entry here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from models.features import BlockWeights


@dataclass(frozen=True)
class Recipe:
    """What every way of training states.

    Attributes:
        description: One sentence for people; becomes the model's.
        network: Class in `models.networks`.
        audio: Track columns that are inputs beside the genres.
        learning_rate: The optimiser's, at the start.
        epochs: Passes over the training part, at most.
    """

    description: str
    network: str
    audio: tuple[str, ...]
    learning_rate: float
    epochs: int

    @property
    def n_fits(self) -> int:
        """Returns how often the network is trained, at most `epochs` epochs each time."""
        return 1

    def shortened(self, epochs: int | None) -> Self:
        """Returns the recipe with another number of epochs; with its own where that is None."""
        return self if epochs is None else replace(self, epochs=epochs)


@dataclass(frozen=True)
class PublishedRecipe(Recipe):
    """SMOTE and full-batch Adam, as published.

    Attributes:
        plateau_patience: Epochs without a lower training loss before the learning rate falls to a tenth;
            None: it never falls.
    """

    plateau_patience: int | None = None
    epochs: int = 1000


@dataclass(frozen=True)
class TunedRecipe(Recipe):
    """Mini-batches, AdamW, a cosine schedule, a teacher, early stopping and calibration by folds.

    Attributes:
        weights: Size of each block of inputs.
        dropout: Rate after every hidden layer.
        weight_decay: AdamW's, on weights and not on biases.
        batch_size: Plays a step.
        imagined_copies: How often each play is imagined before another track, for a teacher to judge; see
            `trainer.teacher`.
        averaged_steps: Over how many of the latest steps, about, the weights are averaged, an epoch's at
            most; 1: the last step's are kept.
        n_folds: Fits that are judged on what they did not learn from, to learn when to stop and how to
            calibrate; see `trainer.folds`.
        context_weights: Size of the context's features, see `models.features.context_encoder.fit_context`;
            empty: the model does without context.
    """

    weights: BlockWeights = field(kw_only=True)
    dropout: float = field(kw_only=True)
    weight_decay: float = 0.3
    batch_size: int = 256
    imagined_copies: int = 2
    averaged_steps: int = 1
    n_folds: int = 2
    context_weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def n_fits(self) -> int:
        """Returns one for every fold, and one for the model."""
        return self.n_folds + 1

    def shortened(self, epochs: int | None) -> Self:
        """Returns the recipe with another number of epochs; with fewer, without a teacher.

        A quick try would spend nearly all its time on the teacher and the plays imagined for it.
        """
        quick = epochs is not None and epochs < self.epochs
        return replace(super().shortened(epochs), imagined_copies=0 if quick else self.imagined_copies)


AUDIO = (
    "duration_ms", "popularity", "explicit", "danceability", "energy", "key", "loudness", "speechiness",
    "acousticness", "instrumentalness", "liveness", "valence", "tempo",
)  # fmt: skip

# The published description leaves the learning rate, the patience and the initial weights open: here they are
# the library's defaults. On a part held out of the real data's training part, lower rates were up to two
# points better, but further from what was published.
PUBLISHED: Mapping[str, Recipe] = {
    "simple": PublishedRecipe(
        description="The published simple network: genres and favourite genres.",
        network="Simple",
        audio=(),
        learning_rate=1e-3,
    ),
    "advanced": PublishedRecipe(
        description="The published advanced network: genres, favourite genres and audio attributes.",
        network="Advanced",
        audio=AUDIO,
        learning_rate=1e-3,
        plateau_patience=10,
    ),
}

# Chosen on parts held out of the real data's training part; docs/models.md has the log.
TUNED: Mapping[str, Recipe] = {
    "simple": TunedRecipe(
        description="Genres and favourite genres, calibrated.",
        network="Simple",
        audio=(),
        learning_rate=2e-3,
        epochs=4,
        weights=BlockWeights(track_genres=0.3, audio=0.0, listener_genres=5.0),
        dropout=0.1,
    ),
    "advanced": TunedRecipe(
        description="Genres, favourite genres and audio attributes, calibrated.",
        network="Advanced",
        audio=AUDIO,
        learning_rate=2e-3,
        epochs=12,
        weights=BlockWeights(track_genres=0.1, audio=0.2, listener_genres=5.0),
        dropout=0.2,
        imagined_copies=3,
        averaged_steps=100,
    ),
    "contextual": TunedRecipe(
        description="What the advanced model sees and, where given, the listener's recent plays.",
        network="Contextual",
        audio=AUDIO,
        learning_rate=2e-3,
        epochs=12,
        weights=BlockWeights(track_genres=0.1, audio=0.2, listener_genres=5.0),
        dropout=0.1,
        imagined_copies=4,
        averaged_steps=100,
        context_weights={
            "rate": 0.7, "outcome_within_0.3": 0.3, "outcome_within_1": 0.3, "outcome_linear": 0.3,
            "situation": 0.3, "*": 0.15,
        },
    ),
}  # fmt: skip

RECIPES: dict[str, Mapping[str, Recipe]] = {"tuned": TUNED, "published": PUBLISHED}
DEFAULT_RECIPE = "tuned"
