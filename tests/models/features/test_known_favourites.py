"""A model knows the listeners whose favourite genres it was trained on, however they are written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Artifact
from models.artifact import load, save
from models.features import InputEncoder
from models.features.known_favourites import KnownFavourites, fit_known_favourites

SETS = [{"rock", "k-pop"}, {"desi pop"}, {"rock", "hard rock", "free jazz"}]
NAMES = ["rock", "k-pop", "desi pop", "hard rock", "free jazz", "indie pop"]


@pytest.fixture(scope="module")
def inputs(tiny_artifact: Artifact) -> InputEncoder:
    """The tiny encoder, of a model trained on `SETS`."""
    return replace(tiny_artifact.inputs, known=fit_known_favourites(SETS))


@given(st.sets(st.sampled_from(NAMES)))
def test_the_very_sets_are_known_and_no_others(names: set[str]) -> None:
    assert fit_known_favourites(SETS).has(names) == (names in SETS)


@pytest.mark.parametrize("names", SETS)
def test_a_subset_or_a_superset_is_a_stranger(names: set[str]) -> None:
    known = fit_known_favourites(SETS)
    assert known.has(names)
    assert not any(known.has(names - {one}) for one in names)
    assert not known.has(names | {"indie pop"})


def test_no_genres_are_never_known() -> None:
    assert not fit_known_favourites([(), *SETS]).has(())
    assert not fit_known_favourites([]).has(())
    assert not fit_known_favourites([]).has(["rock"])


def test_the_keys_do_not_depend_on_order_or_repetition_and_show_no_names() -> None:
    known = fit_known_favourites(SETS)
    again = fit_known_favourites([sorted(names, reverse=True) * 2 for names in SETS[::-1]])
    np.testing.assert_array_equal(known.keys, again.keys)
    assert known.keys.dtype == np.uint64
    assert known.keys.shape == (3,)
    assert (np.diff(known.keys.astype(object)) > 0).all()


def test_names_that_run_together_are_another_set() -> None:
    assert not fit_known_favourites([{"hard rock"}]).has({"hard", "rock"})
    assert not fit_known_favourites([{"hard", "rock"}]).has({"hard rock"})


@pytest.mark.parametrize(
    "written",
    [
        ["rock", "k-pop"],
        ["k-pop", "rock"],
        ["K-Pop", "  ROCK "],
        ["rock", "rock", "k-pop", "Rock"],
        ["rock", "k-pop", "zzz qqq"],
        ["", "rock", "!?", "k-pop"],
    ],
)
def test_order_spelling_repetition_and_names_without_meaning_do_not_count(
    written: list[str], inputs: InputEncoder
) -> None:
    assert inputs.knows(written)
    np.testing.assert_array_equal(inputs.encode_listener(written), inputs.encode_listener(["rock", "k-pop"]))


@pytest.mark.parametrize(
    "favourites", [["rock"], ["rock", "k-pop", "indie pop"], ["rock", "k-pop", "acid jazz"]]
)
def test_to_the_network_a_stranger_is_someone_without_favourites(
    favourites: list[str], inputs: InputEncoder
) -> None:
    assert not inputs.knows(favourites)
    np.testing.assert_array_equal(inputs.encode_listener(favourites), inputs.encode_listener([]))
    anyone = replace(inputs, known=None)
    assert anyone.knows(favourites)
    assert (anyone.encode_listener(favourites) != anyone.encode_listener([])).any()


def test_a_model_read_back_knows_the_same(
    tiny_artifact: Artifact, inputs: InputEncoder, tmp_path: Path
) -> None:
    save(replace(tiny_artifact, inputs=inputs), tmp_path / "tiny" / "1")
    read = load(tmp_path / "tiny" / "1").inputs
    assert isinstance(read.known, KnownFavourites)
    np.testing.assert_array_equal(read.known.keys, fit_known_favourites(SETS).keys)
    assert all(read.knows(sorted(names)) for names in SETS)
    assert not read.knows(["rock"])
    assert not read.knows([])
