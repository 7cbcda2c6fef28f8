import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import Dataset, plays
from data.before_play import known_plays


def table(*rows: tuple[int, int, float, float, bool]) -> pd.DataFrame:
    """Returns plays by listener, session, start and seconds heard, and whether they were skipped."""
    names = ["listener_id", "session_id", "starts_s", "listened_s", "skipped"]
    found = pd.DataFrame(list(rows), columns=names).sort_values("starts_s", kind="stable", ignore_index=True)
    started_at = pd.to_datetime((found["starts_s"] * 1e6).round(), unit="us")
    return found.assign(started_at=started_at, duration_s=found["listened_s"])


def known_as_skipped(found: pd.DataFrame, row: int) -> list[bool]:
    known = known_plays(found)
    skipped: list[bool] = known.skipped[known.span(row, 200)].tolist()
    return skipped


def known_before(found: pd.DataFrame, row: int, at_most: int = 200) -> list[int]:
    known = known_plays(found)
    return [int(found_row) for found_row in known.rows[known.span(row, at_most)]]


@pytest.mark.parametrize(
    ("starts_s", "session", "skipped", "known"),
    [
        (100, 2, True, True),
        (99, 2, True, False),
        (99, 2, False, False),
        (100, 1, True, True),
        (99, 1, False, True),
    ],
    ids=[
        "it has ended",
        "it still runs in another session, and will be skipped",
        "it still runs in another session",
        "its own session has moved on",
        "its own session has moved on before the end",
    ],
)
def test_a_play_is_known_once_its_outcome_is(
    starts_s: float, session: int, skipped: bool, known: bool
) -> None:
    found = table((1, 1, 0, 100, skipped), (1, session, starts_s, 10, False))
    assert known_before(found, 0) == []
    assert known_before(found, 1) == [0] * known


@pytest.mark.parametrize(
    ("starts_s", "as_skipped"), [(100, True), (99, False)], ids=["skipped by then", "skipped only later"]
)
def test_once_its_session_has_moved_on_a_play_is_known_as_it_was_by_then(
    starts_s: float, as_skipped: bool
) -> None:
    found = table((1, 1, 0, 100, True), (1, 1, starts_s, 10, False), (1, 1, 300, 10, False))
    assert [known_before(found, row) for row in range(3)] == [[], [0], [0, 1]]
    assert [known_as_skipped(found, row) for row in range(3)] == [[], [as_skipped], [as_skipped, False]]


def test_a_skip_after_the_end_of_the_track_does_not_say_earlier_that_it_comes() -> None:
    found = table((1, 1, 0, 100, True), (1, 2, 80, 10, False), (1, 3, 99, 10, False)).assign(
        duration_s=[80.0, 10.0, 10.0]
    )
    assert [known_before(found, row) for row in range(3)] == [[], [0], [0, 1]]
    assert known_as_skipped(found, 2) == [False, False]


def test_a_play_of_unknown_length_is_known_when_it_is_skipped_or_its_session_moves_on() -> None:
    found = table((1, 1, 0, 5, True), (1, 2, 1, np.nan, False), (1, 3, 9, 1, False), (1, 2, 20, 1, False))
    found["duration_s"] = [np.nan, np.nan, 1.0, 1.0]
    assert [known_before(found, row) for row in range(4)] == [[], [], [0], [0, 2, 1]]
    assert known_as_skipped(found, 2) == [True]


def test_an_end_that_is_the_next_start_to_the_microsecond_is_known() -> None:
    # As floats these ends come out later than the starts; as nanoseconds of floats, too.
    lengths_s = [0.1, 0.7, 216.506667, 99.000001]
    starts_s = np.cumsum([0, *lengths_s])
    found = table(*((1, n, starts_s[n], length, False) for n, length in enumerate([*lengths_s, 1.0])))
    assert [len(known_before(found, row)) for row in range(5)] == [0, 1, 2, 3, 4]


def test_plays_of_no_length_at_one_moment_know_those_before_them_alone() -> None:
    found = table((1, 1, 5, 0, False), (1, 1, 5, 0, True), (1, 1, 5, 0, False))
    assert [known_before(found, row) for row in range(3)] == [[], [0], [0, 1]]


def test_a_play_of_a_senseless_length_does_not_know_itself() -> None:
    found = table((1, 1, 0, 9.2e15, False), (1, 2, 5, 1, False))
    assert [known_before(found, row) for row in range(2)] == [[], []]


def test_the_newest_are_last_and_stay() -> None:
    found = table((1, 1, 0, 500, False), (1, 2, 10, 5, True), (1, 3, 20, 5, False), (1, 4, 600, 5, False))
    assert known_before(found, 3) == [1, 2, 0]
    assert known_before(found, 3, at_most=2) == [2, 0]


PLAYS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(0, 30), st.integers(0, 9), st.booleans()).map(
        lambda row: (row[0], 10 * row[0] + row[1], *row[2:])
    ),
    min_size=1,
    max_size=20,
)


@given(PLAYS)
def test_only_earlier_rows_of_the_same_listener_are_known(
    rows: list[tuple[int, int, int, int, bool]],
) -> None:
    found = table(*rows)
    for row in range(len(found)):
        known = known_before(found, row)
        assert all(other < row for other in known)
        assert len(set(known)) == len(known)
        assert (found["listener_id"].iloc[known] == found["listener_id"][row]).all()


def test_no_plays_know_nothing() -> None:
    assert known_plays(table((1, 1, 0, 1, False)).iloc[:0]).rows.tolist() == []


def test_on_generated_plays_it_is_what_one_loop_finds(sample: Dataset) -> None:
    found = plays(sample)
    end = found["started_at"] + pd.to_timedelta(np.rint(found["listened_s"] * 1e6), unit="us")
    known = known_plays(found)
    for row in range(0, len(found), 41):
        same = found.index[(found["listener_id"] == found["listener_id"][row]) & (found.index < row)]
        ended = [other for other in same if end[other] <= found["started_at"][row]]
        assert sorted(known.rows[known.span(row, len(found))].tolist()) == ended


def test_on_v2_a_play_knows_the_one_before_it_in_its_session(v2: Dataset) -> None:
    found = plays(v2)
    known = known_plays(found)
    before = found.index.to_series().groupby(found["session_id"]).shift(1).dropna().astype(int)
    missing = [row for row, other in before.items() if other not in known.rows[known.span(int(str(row)), 9)]]
    assert missing == []
