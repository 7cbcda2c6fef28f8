"""What each view shows of a play, and which inputs can teach anything."""

import numpy as np
import pytest
import torch

from trainer.examples import Examples, View

TRACK, LISTENER, CONTEXT = slice(0, 3), slice(3, 7), slice(7, 9)


@pytest.fixture
def examples() -> Examples:
    """Six plays of three tracks by two of four sets of genres."""
    return Examples(
        tracks=torch.tensor([[1.0, 5.0, 1.0], [2.0, 5.0, 1.0], [3.0, 5.0, 2.0]]),
        listeners=torch.eye(4),
        context=torch.full((6, 2), 2.0),
        cut_context=torch.full((6, 2), 3.0),
        genre_share=torch.full((6,), 0.25),
        track_of=torch.tensor([0, 1, 0, 1, 0, 1]),
        listener_of=torch.tensor([0, 1, 0, 1, 0, 1]),
        classes=torch.tensor([0, 1, 0, 1, 1, 1]),
        targets=torch.arange(12.0).reshape(6, 2),
    )


@pytest.mark.parametrize(
    ("view", "genres", "context"),
    [
        (View.KNOWN, 0.25, 2),
        (View.KNOWN_TO_TREES, 1, 2),
        (View.BARE, 1, 0),
        (View.STRANGER, 0, 2),
        (View.NEWCOMER, 0, 3),
    ],
)
def test_a_view_shows_so_much_of_genres_and_context(
    view: View, genres: float, context: float, examples: Examples
) -> None:
    (inputs,) = examples.inputs(torch.tensor([1]), view)
    assert inputs[TRACK].tolist() == [2, 5, 1]
    assert inputs[LISTENER].tolist() == [0, genres, 0, 0]
    assert inputs[CONTEXT].tolist() == [context] * 2
    assert examples.dense_inputs(np.array([1]), view)[0].tolist() == inputs.tolist()


def test_what_no_play_has_or_all_share_does_not_vary(examples: Examples) -> None:
    """The third track and the last two sets have no play; whole and cut contexts differ."""
    assert examples.varying().tolist() == [True, False, False, *[True, True, False, False], True, True]
    one_set = examples.part(np.array([0, 2, 4]))
    assert one_set.varying()[LISTENER].tolist() == [True, False, False, False], "a stranger has none"


def test_where_nothing_varies_all_inputs_stay(examples: Examples) -> None:
    alike = examples.part(np.array([0, 2]))
    nothing = Examples(
        alike.tracks, torch.zeros(4, 1), alike.context, alike.context, alike.genre_share, alike.track_of,
        alike.listener_of, alike.classes,
    )  # fmt: skip
    assert nothing.varying().all()


def test_narrowed_examples_have_the_inputs_that_vary(examples: Examples) -> None:
    varies, every = examples.varying(), torch.arange(6)
    narrow = examples.narrowed(varies)
    assert narrow.n_inputs == varies.sum()
    for view in View:
        assert torch.equal(narrow.inputs(every, view), examples.inputs(every, view)[:, varies])


def test_parts_and_joined_examples_keep_each_play_together(examples: Examples) -> None:
    part = examples.part(np.array([5, 0]))
    assert (len(part), part.classes.tolist()) == (2, [1, 0])
    assert part.targets is not None
    assert part.targets.tolist() == [[10, 11], [0, 1]]
    both = part.joined([examples], torch.zeros(8, 2))
    assert len(both) == 8
    for view in View:
        assert torch.equal(both.inputs(torch.arange(2, 8), view), examples.inputs(torch.arange(6), view))
