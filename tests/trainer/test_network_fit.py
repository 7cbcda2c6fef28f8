"""The tuned training learns, stops where it was best, calibrates, and repeats itself."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.features import BlockWeights
from trainer.descent import Fitted, linear_layers
from trainer.examples import Examples, View
from trainer.folds import Fold
from trainer.network_fit import descend_tuned, fit_tuned
from trainer.recipes import TUNED, TunedRecipe

RECIPE = TunedRecipe(
    "A short one.", "Simple", (), learning_rate=0.01, epochs=6, weights=BlockWeights(1, 1, 1), dropout=0.1,
    n_folds=3,
)  # fmt: skip
NOBODY = np.zeros(0, dtype=np.int64)


def made_examples(n_plays: int = 600, context: bool = False) -> Examples:
    """Returns plays of 10 tracks, 4 sets of genres and, if asked, a context that decides all outcomes."""
    random = np.random.default_rng(0)
    tracks = random.normal(size=(10, 3)).astype(np.float32)
    tracks[:, 2] = 1  # An input that never varies.
    track_of, listener_of = random.integers(10, size=n_plays), random.integers(4, size=n_plays)
    classes = (tracks[track_of, 0] > 0).astype(np.int64)
    block = np.zeros((n_plays, 0), dtype=np.float32)
    if context:
        classes = random.integers(2, size=n_plays)
        block = np.stack([np.ones(n_plays), 2 * classes - 1], axis=1).astype(np.float32)
    arrays = tracks, np.eye(4, dtype=np.float32), block, block, np.ones(n_plays, dtype=np.float32)
    return Examples(*map(torch.from_numpy, (*arrays, track_of, listener_of, classes)))


def third_of(n_plays: int = 600) -> NDArray[np.int64]:
    return np.arange(n_plays) * 3 // n_plays


def three_folds() -> list[Fold]:
    """Each third is judged once, by what the others teach; there are no strangers."""
    thirds = [(third_of() != number, third_of() == number) for number in range(3)]
    return [Fold(np.flatnonzero(learnt), np.flatnonzero(judged), NOBODY) for learnt, judged in thirds]


def train(examples: Examples, recipe: TunedRecipe = RECIPE, seed: int = 1, fold: bool = True) -> Fitted:
    folds = three_folds() if fold else []
    return fit_tuned(examples, folds, recipe, seed=seed, on_epoch=lambda loss: None)


def odds(fitted: Fitted, inputs: torch.Tensor) -> NDArray[np.float32]:
    values = inputs.numpy()
    for number, (weight, bias) in enumerate(fitted.layers):
        values = (np.maximum(values, 0) if number else values) @ weight.T + bias
    difference: NDArray[np.float32] = values[:, 1] - values[:, 0]
    return difference


def test_it_learns_the_right_way_round() -> None:
    examples = made_examples()
    fitted = train(examples)
    told = odds(fitted, examples.inputs(torch.arange(600), View.KNOWN)) > 0
    assert np.mean(told == examples.classes.numpy()) > 0.95
    assert len(fitted.training_loss) == len(fitted.validation_loss) == 6
    assert fitted.validation_loss[-1] < fitted.validation_loss[0]


def test_it_stops_where_the_plays_that_were_held_out_were_best() -> None:
    examples = made_examples()
    turned = torch.where(torch.from_numpy(third_of() == 1), 1 - examples.classes, examples.classes)
    misleading = replace(examples, classes=turned)
    fitted = train(misleading)
    assert fitted.best_epoch == np.argmin(fitted.validation_loss) + 1 < 6
    assert train(examples, fold=False).best_epoch == 6


def test_no_network_is_judged_by_plays_that_it_saw() -> None:
    """Outcomes that follow from nothing can be learnt by heart, and only seen plays show it."""
    random = np.random.default_rng(4)
    examples = made_examples()
    own_track = replace(
        examples,
        tracks=torch.eye(600),
        track_of=torch.arange(600),
        classes=torch.from_numpy(random.integers(2, size=600)),
    )
    fitted = train(own_track, replace(RECIPE, epochs=30, weight_decay=0.0))
    assert fitted.training_loss[-1] < 0.1
    assert min(fitted.validation_loss) > 0.65


def test_every_epoch_of_every_fit_is_told() -> None:
    told: list[float] = []
    fitted = fit_tuned(made_examples(), three_folds(), RECIPE, seed=1, on_epoch=told.append)
    assert len(told) == 3 * RECIPE.epochs + fitted.best_epoch <= RECIPE.n_fits * RECIPE.epochs


def test_the_same_seed_gives_the_same_network_and_spares_the_process_its_randomness() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (train(made_examples(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    for (weight, bias), (same_weight, same_bias) in zip(first.layers, again.layers, strict=True):
        assert np.array_equal(weight, same_weight)
        assert np.array_equal(bias, same_bias)
    assert not np.array_equal(first.layers[0][0], other.layers[0][0])


def weights_after_each_epoch(averaged_steps: int) -> list[NDArray[np.float32]]:
    recipe = replace(RECIPE, averaged_steps=averaged_steps)
    examples = made_examples()
    varies = examples.varying()
    weights: list[NDArray[np.float32]] = []

    def note(network: nn.Module, _: float) -> None:
        weights.append(linear_layers(network, varies)[0][0].copy())

    descend_tuned(examples.narrowed(varies), recipe, 1, note)
    return weights


def test_averaged_weights_follow_the_latest_steps_from_behind() -> None:
    last, averaged, longest = (weights_after_each_epoch(steps) for steps in (1, 10, 10_000))
    moved = np.abs(last[1] - last[0]).mean()
    assert 0 < np.abs(averaged[1] - last[1]).mean() < moved
    nearest = [int(np.argmin([np.abs(mine - theirs).mean() for theirs in last])) for mine in longest]
    assert nearest[-1] >= 4, "an average over more than an epoch would stay with the first steps"


def test_the_model_has_the_averaged_weights() -> None:
    fitted = train(made_examples(), replace(RECIPE, averaged_steps=10), fold=False)
    assert np.array_equal(fitted.layers[0][0], weights_after_each_epoch(10)[-1])
    assert not np.array_equal(fitted.layers[0][0], weights_after_each_epoch(1)[-1])


def test_an_input_that_never_varied_has_no_say() -> None:
    (weight, _), *_ = train(made_examples()).layers
    assert not weight[:, 2].any()
    assert weight[:, 0].any()


def test_with_context_it_reads_it_and_without_it_stays_near_the_rate() -> None:
    examples = made_examples(context=True)
    fitted = train(examples)
    every = torch.arange(600)
    for view in (View.KNOWN, View.STRANGER, View.NEWCOMER):
        assert np.mean((odds(fitted, examples.inputs(every, view)) > 0) == examples.classes.numpy()) > 0.95
    assert np.abs(odds(fitted, examples.inputs(every, View.BARE))).max() < 1.5


def test_a_stranger_is_answered_otherwise_than_a_known_listener() -> None:
    """Of the same plays it learns one thing where favourites are shown, and another where none are."""
    examples = replace(made_examples(), targets=torch.tensor([[0.9, 0.1]]).repeat(600, 1))
    fitted, every = train(examples, fold=False), torch.arange(600)
    assert odds(fitted, examples.inputs(every, View.KNOWN)).min() > 1
    assert odds(fitted, examples.inputs(every, View.STRANGER)).max() < -1


def with_turned_strangers(examples: Examples) -> tuple[Examples, list[Fold]]:
    """Returns plays of which the last third's are strangers', and are the opposite of all others."""
    turned = torch.where(torch.from_numpy(third_of() == 2), 1 - examples.classes, examples.classes)
    parts = [np.flatnonzero(third_of() == number) for number in range(3)]
    return replace(examples, classes=turned), [Fold(*parts)]


def test_strangers_have_a_say_in_when_to_stop_but_none_in_the_calibration() -> None:
    examples, folds = with_turned_strangers(made_examples())
    alone = [replace(fold, strangers=NOBODY) for fold in folds]
    known, both = (
        fit_tuned(examples, each, RECIPE, seed=1, on_epoch=lambda loss: None) for each in (alone, folds)
    )
    assert both.best_epoch < known.best_epoch
    assert min(both.validation_loss) > min(known.validation_loss)
    one_epoch = replace(RECIPE, epochs=1)
    known, both = (
        fit_tuned(examples, each, one_epoch, seed=1, on_epoch=lambda loss: None) for each in (alone, folds)
    )
    assert known.calibration == both.calibration


def test_every_tuned_recipe_keeps_the_published_sizes() -> None:
    assert {name: recipe.network for name, recipe in TUNED.items()} == {
        "simple": "Simple", "advanced": "Advanced", "contextual": "Contextual",
    }  # fmt: skip
