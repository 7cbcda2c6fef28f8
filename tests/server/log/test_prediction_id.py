import string
from collections.abc import Callable

import pytest

from server.log.prediction_id import is_possible, new_prediction_id


def test_ids_are_possible_and_never_the_same() -> None:
    ids = {new_prediction_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(is_possible(name) for name in ids)
    assert {len(name) for name in ids} == {24}


def test_the_same_request_has_the_same_id_on_every_machine_and_in_every_release() -> None:
    """Logged ids are compared with those of retries: the derivation is part of what is stored."""
    assert new_prediction_id("play-42") == "22995cb53c339700d861c8c6"
    assert is_possible(new_prediction_id("play-42"))
    others = {new_prediction_id(name) for name in ("play-42", "play-43", "PLAY-42", "żagle", "", " ")}
    assert len(others) == 6


def test_every_mistyped_digit_and_every_swap_of_neighbours_is_found() -> None:
    name = new_prediction_id("play-42")
    for place, digit in enumerate(name):
        for other in set("0123456789abcdef") - {digit}:
            assert not is_possible(name[:place] + other + name[place + 1 :])
    for place in range(23):
        swapped = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
        assert is_possible(swapped) == (swapped == name)


@pytest.mark.parametrize("change", [str.upper, lambda name: name + "0", lambda name: name[:-1], lambda _: ""])
def test_another_form_is_no_id(change: Callable[[str], str]) -> None:
    name = new_prediction_id("play-1")
    assert set(name) & set(string.ascii_lowercase)  # that it has letters is what makes another case matter
    assert is_possible(name)
    assert not is_possible(change(name))


@pytest.mark.parametrize("name", ["0" * 24, "f" * 24, "a" * 24, "٣" * 24, "g" * 24, "0" * 23 + "\n"])
def test_what_people_make_up_is_no_id(name: str) -> None:
    assert not is_possible(name)
