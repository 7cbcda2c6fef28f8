"""What favourite genres tell of strangers is found where it is, and not made up where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.features import GenreEncoder
from models.features.genre_taste import GenrePlaces, GenreTaste
from trainer.loss import log_loss
from trainer.taste import Strangers, fit_taste

N_WORDS, N_SOUNDS, N_PLAYS = 3, 2, 240
PLACES = GenrePlaces(
    GenreEncoder({}, (), np.zeros(0), np.zeros(0), np.zeros((N_WORDS, 0)), np.zeros((1, N_WORDS))),
    np.zeros((0, N_SOUNDS)),
)


def made_strangers(leaning: float, affinity: float, *, n_listeners: int = 50, seed: int = 0) -> Strangers:
    """Returns plays whose log odds follow the listener's first axis and how near listener and track are."""
    random = np.random.default_rng(seed)
    listeners = random.normal(size=(n_listeners, N_WORDS + N_SOUNDS)) / 2
    listener_of = np.repeat(np.arange(n_listeners), N_PLAYS)
    tracks = random.normal(size=(len(listener_of), N_WORDS + N_SOUNDS)).astype(np.float32)
    near = (listeners[listener_of] * tracks)[:, :N_WORDS].sum(axis=1)
    logits = np.full(len(listener_of), 0.5)
    odds = logits + leaning * listeners[listener_of, 0] + affinity * near
    played_through = random.random(len(odds)) < 1 / (1 + np.exp(-odds))
    return Strangers(logits, played_through, listener_of, listeners, tracks)


def shifts(taste: GenreTaste, strangers: Strangers) -> NDArray[np.float64]:
    """Returns what is added to the log odds of each play, (n_plays,)."""
    places = strangers.listeners[strangers.listener_of]
    found: NDArray[np.float64] = places @ taste.leaning + (places * strangers.tracks) @ taste.affinity
    return found


def loss(strangers: Strangers, added: NDArray[np.float64]) -> float:
    return float(log_loss((strangers.logits + added)[None], strangers.played_through)[0])


@pytest.mark.parametrize(("leaning", "affinity"), [(2.0, 0.0), (0.0, 1.0), (2.0, 1.0)])
def test_genres_that_decide_are_found_and_help_listeners_left_out(leaning: float, affinity: float) -> None:
    taste = fit_taste(PLACES, made_strangers(leaning, affinity), seed=1)
    others = made_strangers(leaning, affinity, seed=9)
    assert loss(others, shifts(taste, others)) < loss(others, np.zeros(len(others.logits))) - 0.02
    assert 0.5 * leaning - 0.2 < taste.leaning[0] < leaning + 0.2, "the penalty draws it to 0"
    assert np.abs(taste.leaning[1:]).max() < 0.4
    assert taste.affinity[:N_WORDS] == pytest.approx(affinity, abs=0.2)
    assert np.abs(taste.affinity[N_WORDS:]).max() < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_genres_that_tell_nothing_shift_nothing(seed: int) -> None:
    taste = fit_taste(PLACES, made_strangers(0.0, 0.0, seed=seed), seed=1)
    assert np.abs(shifts(taste, made_strangers(0.0, 0.0, seed=99))).mean() < 0.05


def test_listeners_who_differ_for_no_reason_of_their_genres_shift_nothing() -> None:
    """Each listener has a rate of its own: learnt by heart it would look like a leaning.

    Fifty listeners who hear out anything from nothing to all happen to agree with some axis now and then: of
    eight crowds one may.
    """
    found = []
    for seed in range(8):
        strangers = made_strangers(0.0, 0.0, seed=seed)
        random = np.random.default_rng(seed + 50)
        rates = random.random(len(strangers.listeners))[strangers.listener_of]
        played_through = random.random(len(rates)) < rates
        own = replace(strangers, logits=np.zeros(len(rates)), played_through=played_through)
        found.append(float(np.abs(shifts(fit_taste(PLACES, own, seed=1), strangers)).mean()))
    assert sum(shift >= 0.05 for shift in found) <= 1
    assert np.median(found) < 0.005


def test_few_listeners_tell_next_to_nothing() -> None:
    few = made_strangers(2.0, 1.0, n_listeners=9)
    assert np.abs(shifts(fit_taste(PLACES, few, seed=1), few)).max() < 0.05


def test_each_kind_of_axis_has_one_affinity() -> None:
    taste = fit_taste(PLACES, made_strangers(1.0, 1.0), seed=1)
    assert len(set(taste.affinity[:N_WORDS])) == len(set(taste.affinity[N_WORDS:])) == 1
    assert taste.leaning.shape == (N_WORDS + N_SOUNDS,)
