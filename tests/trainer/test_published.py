"""The training loop learns, the right way round, and the same every time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models import networks
from models.artifact import Layer
from trainer.errors import TrainingError
from trainer.options import choose_device
from trainer.published import fit_published, oversample
from trainer.recipes import RECIPES, PublishedRecipe

SHORT = PublishedRecipe("A short one.", "Advanced", (), learning_rate=0.01, plateau_patience=5, epochs=40)


@pytest.fixture(scope="module")
def separable() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Examples whose second input decides the class; the third never varies; a third are skipped."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(150, 4)).astype(np.float32)
    inputs[:, 2] = 0.5
    return inputs, (inputs[:, 1] > -0.43).astype(np.int64)


def train(
    examples: tuple[NDArray[np.float32], NDArray[np.int64]], seed: int = 1, recipe: PublishedRecipe = SHORT
) -> tuple[tuple[Layer, ...], list[float]]:
    losses: list[float] = []
    fitted = fit_published(*examples, recipe, torch.device("cpu"), seed, losses.append)
    assert fitted.training_loss == tuple(losses)
    return fitted.layers, losses


def outputs(layers: tuple[Layer, ...], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    (weight, bias), *rest = layers
    hidden = inputs @ weight.T + bias
    for weight, bias in rest:
        hidden = np.maximum(hidden, 0) @ weight.T + bias
    return hidden


@pytest.mark.parametrize("network", ["Simple", "Advanced"])
def test_output_1_is_the_class_played_through(
    network: str, separable: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    layers, losses = train(separable, recipe=replace(SHORT, network=network))
    assert len(losses) == 40
    assert losses[-1] < losses[0] / 2
    answered = outputs(layers, separable[0]).argmax(axis=1)
    assert np.mean(answered == separable[1]) > 0.9


def test_the_same_seed_gives_the_same_weights(
    separable: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (train(separable, seed)[0] for seed in (1, 1, 2))
    assert all(
        np.array_equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True)
    )
    assert not np.array_equal(first[0][0], other[0][0])
    assert torch.equal(torch.random.get_rng_state(), state), "training disturbed the caller's random numbers"


def test_an_input_that_never_varies_in_training_is_not_listened_to(
    separable: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    weight, _ = train(separable)[0][0]
    assert weight.shape == (100, 4)
    assert (weight[:, 2] == 0).all()
    assert (weight[:, [0, 1, 3]] != 0).any(axis=0).all()


def test_oversampling_evens_the_classes_and_keeps_the_real_examples() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(30, 3)).astype(np.float32)
    classes = np.array([0] * 2 + [1] * 28)
    more, labels = oversample(inputs, classes, seed=0)
    assert np.bincount(labels).tolist() == [28, 28]
    np.testing.assert_array_equal(more[:30], inputs)
    made = more[30:]
    low, high = inputs[:2].min(axis=0) - 1e-6, inputs[:2].max(axis=0) + 1e-6
    assert ((made >= low) & (made <= high)).all(), "a made example lies between two real ones of its class"


def test_every_recipe_names_a_network_with_two_outputs() -> None:
    for recipe in (recipe for recipes in RECIPES.values() for recipe in recipes.values()):
        network = getattr(networks, recipe.network)(7)
        assert network(torch.zeros(5, 7)).shape == (5, 2)


def test_the_published_networks_have_the_published_shapes() -> None:
    def widths(network: torch.nn.Module) -> list[tuple[int, int]]:
        linear = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
        return [(layer.in_features, layer.out_features) for layer in linear]

    assert widths(networks.Simple(400)) == [(400, 50), (50, 30), (30, 2)]
    assert widths(networks.Advanced(413)) == [(413, 100), (100, 50), (50, 30), (30, 2)]
    assert [type(layer).__name__ for layer in networks.Advanced(413)][2::3] == ["HalfDropout"] * 2 + [
        "Linear"
    ]
    assert {recipe.epochs for recipe in RECIPES["published"].values()} == {1000}
    assert len(RECIPES["published"]["advanced"].audio) == 13


def test_asking_for_cuda_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == choose_device("cpu").type == "cpu"
    with pytest.raises(TrainingError, match="no usable CUDA device"):
        choose_device("cuda")
    with pytest.raises(TrainingError, match="unknown device 'tpu'"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [choose_device(name).type for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
