"""No tomorrow in the inputs: nothing that happens after a play changes what was known when it started."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data import Dataset, generate, plays, read_dataset
from data.before_play import known_plays
from tests.data.later_events import CHANGES, Change, go_on_otherwise
from tests.data.tiny import Event, tiny_dataset

AT_START = [
    "session_id", "position", "listener_id", "track_id", "started_at", "advertisement_before", "duration_s",
    "favourite_genres", "premium",
]  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Listeners who play few tracks again and again; two of them had premium before the recording."""
    directory: Path = tmp_path_factory.mktemp("generated") / "dataset"
    generate(directory, listeners=8, tracks=25, plays=500, seed=3)
    dataset = read_dataset(directory)
    events, users = dataset.sessions, dataset.users
    had_premium = users["user_id"][:2]
    bought = (events["event_type"] == "BUY_PREMIUM") & events["user_id"].isin(had_premium)
    at_end = users["premium_user"] | users["user_id"].isin(had_premium)
    return replace(dataset, sessions=events[~bought], users=users.assign(premium_user=at_end))


Known = list[tuple[list[int], list[bool]]]


def known_at(table: pd.DataFrame, n_plays: int) -> Known:
    """Returns for each of the first plays which others were known, and which of them as skipped."""
    known = known_plays(table)
    spans = [known.span(row, len(table)) for row in range(n_plays)]
    return [(known.rows[span].tolist(), known.skipped[span].tolist()) for span in spans]


def assert_same_until(n_plays: int, table: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(other[AT_START].iloc[:n_plays], table[AT_START].iloc[:n_plays])
    assert known_at(other, n_plays) == known_at(table, n_plays)


def assert_no_tomorrow(dataset: Dataset, row_share: float, change: Change, seed: int) -> None:
    table = plays(dataset)
    started_at = table["started_at"][int(row_share * (len(table) - 1))]
    other = plays(go_on_otherwise(dataset, started_at, change, np.random.default_rng(seed)))
    assert_same_until(int((table["started_at"] <= started_at).sum()), table, other)


@pytest.mark.parametrize("change", CHANGES)
@given(row_share=st.floats(0, 1), seed=st.integers(0, 999))
@hypothesis_settings(max_examples=25, deadline=None)
def test_on_generated_plays(generated: Dataset, change: Change, row_share: float, seed: int) -> None:
    assert_no_tomorrow(generated, row_share, change, seed)


@pytest.mark.parametrize("change", CHANGES)
@given(row_share=st.floats(0, 1), seed=st.integers(0, 999))
@hypothesis_settings(max_examples=6, deadline=None)
def test_on_v2(v2: Dataset, change: Change, row_share: float, seed: int) -> None:
    assert_no_tomorrow(v2, row_share, change, seed)


LISTENER_OF_SESSION = {3: 1, 4: 1, 5: 77, 6: 77, 7: 2}
"""Listener 2 had premium from the start, 1 and 77 (who is not in the file) may buy it."""
KINDS = ["PLAY", "PLAY", "SKIP", "SKIP", "LIKE", "ADVERTISEMENT", "BUY_PREMIUM"]


def events_from(first_s: int) -> st.SearchStrategy[list[Event]]:
    """Few tracks and seconds, so that plays repeat, skips come late and times are often equal."""
    event = st.tuples(
        st.integers(first_s, first_s + 9), st.sampled_from([*LISTENER_OF_SESSION]), st.sampled_from("ab"),
        st.sampled_from(KINDS),
    )  # fmt: skip
    found = event.map(lambda it: (it[0], LISTENER_OF_SESSION[it[1]], it[2], it[3], it[1]))
    return st.lists(found.filter(lambda it: (it[1], it[3]) != (2, "BUY_PREMIUM")), max_size=15)


def first_plays(past: list[Event], future: list[Event]) -> tuple[pd.DataFrame, int]:
    return plays(tiny_dataset([*past, *future])), sum(event[3] == "PLAY" for event in past)


@given(past=events_from(0), future=events_from(9), other=events_from(9))
@hypothesis_settings(max_examples=80, deadline=None)
def test_no_event_that_comes_later_in_time_or_in_the_file_changes_how_a_play_began(
    past: list[Event], future: list[Event], other: list[Event]
) -> None:
    table, n_plays = first_plays(past, future)
    changed, _ = first_plays(past, other)
    pd.testing.assert_frame_equal(changed[AT_START].iloc[:n_plays], table[AT_START].iloc[:n_plays])


@given(past=events_from(0), future=events_from(10), other=events_from(10))
@hypothesis_settings(max_examples=80, deadline=None)
def test_no_event_that_comes_later_in_time_changes_which_plays_are_known(
    past: list[Event], future: list[Event], other: list[Event]
) -> None:
    table, n_plays = first_plays(past, future)
    assert_same_until(n_plays, table, first_plays(past, other)[0])
