from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data import Dataset, plays
from tests.data.tiny import Event

MakeDataset = Callable[[Sequence[Event]], Dataset]
PLAY, SKIP, LIKE, ADVERTISEMENT, BUY = "PLAY", "SKIP", "LIKE", "ADVERTISEMENT", "BUY_PREMIUM"


def test_columns_and_types(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 1, "a", PLAY, 5), (30, 1, "a", SKIP, 5)]))
    assert table.dtypes.astype(str).to_dict() == {
        "session_id": "str",
        "position": "int64",
        "listener_id": "str",
        "track_id": "str",
        "started_at": "datetime64[us]",
        "advertisement_before": "bool",
        "skipped": "bool",
        "liked_while_playing": "bool",
        "listened_s": "float64",
        "duration_s": "float64",
        "favourite_genres": "object",
        "premium": "bool",
    }
    assert table.iloc[0].to_dict() == {
        "session_id": "5",
        "position": 0,
        "listener_id": "1",
        "track_id": "a",
        "started_at": pd.Timestamp("2023-01-01"),
        "advertisement_before": False,
        "skipped": True,
        "liked_while_playing": False,
        "listened_s": 30.0,
        "duration_s": 100.0,
        "favourite_genres": ["jazz"],
        "premium": False,
    }


def test_no_plays_give_an_empty_table_of_the_same_form(make_dataset: MakeDataset) -> None:
    empty = plays(make_dataset([(0, 1, "", ADVERTISEMENT, 5)]))
    assert len(empty) == 0
    assert list(empty.dtypes) == list(plays(make_dataset([(0, 1, "a", PLAY, 5)])).dtypes)


def test_a_play_heard_out_lasts_its_track(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 2, "b", PLAY, 5), (10, 2, "b", LIKE, 5)]))
    assert table["listened_s"].tolist() == [200.0]
    assert table["liked_while_playing"].tolist() == [True]
    assert table["premium"].tolist() == [True]


def test_outcomes_belong_to_the_latest_play_of_the_track(make_dataset: MakeDataset) -> None:
    events = [(0, 1, "a", PLAY, 5), (50, 1, "a", PLAY, 5), (60, 1, "a", SKIP, 5), (60, 1, "b", PLAY, 5)]
    assert plays(make_dataset(events))["skipped"].tolist() == [False, True, False]


def test_a_like_of_an_earlier_track_does_not_go_to_the_track_that_plays(make_dataset: MakeDataset) -> None:
    events = [(0, 1, "a", PLAY, 5), (50, 1, "b", PLAY, 5), (60, 1, "a", LIKE, 5)]
    assert plays(make_dataset(events))["liked_while_playing"].tolist() == [True, False]


def test_interleaved_sessions_of_one_track_do_not_mix(make_dataset: MakeDataset) -> None:
    events = [(0, 1, "a", PLAY, 5), (5, 2, "a", PLAY, 6), (9, 1, "a", SKIP, 5), (9, 2, "", ADVERTISEMENT, 6)]
    table = plays(make_dataset([*events, (12, 1, "b", PLAY, 5), (13, 2, "b", PLAY, 6)]))
    assert table["skipped"].tolist() == [True, False, False, False]
    assert table["advertisement_before"].tolist() == [False, False, False, True]
    assert table["position"].tolist() == [0, 0, 1, 1]


def test_at_equal_times_the_file_order_decides(make_dataset: MakeDataset) -> None:
    skipped_first = [(0, 1, "a", PLAY, 5), (7, 1, "a", SKIP, 5), (7, 1, "a", PLAY, 5)]
    replayed_first = [(0, 1, "a", PLAY, 5), (7, 1, "a", PLAY, 5), (7, 1, "a", SKIP, 5)]
    assert plays(make_dataset(skipped_first))["skipped"].tolist() == [True, False]
    assert plays(make_dataset(replayed_first))["skipped"].tolist() == [False, True]


def test_a_second_skip_of_a_play_changes_nothing(make_dataset: MakeDataset) -> None:
    events = [(0, 1, "a", PLAY, 5), (7, 1, "a", SKIP, 5), (9, 1, "a", SKIP, 5)]
    assert plays(make_dataset(events))["listened_s"].tolist() == [7.0]


def test_an_outcome_without_a_play_is_left_out(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 1, "a", SKIP, 5), (1, 1, "a", LIKE, 5), (2, 1, "a", PLAY, 5)]))
    assert table[["skipped", "liked_while_playing"]].to_numpy().tolist() == [[False, False]]


def test_an_advertisement_counts_across_a_purchase_but_not_across_a_play(make_dataset: MakeDataset) -> None:
    events = [(0, 1, "", ADVERTISEMENT, 5), (9, 1, "", BUY, 5), (15, 1, "a", PLAY, 5), (115, 1, "b", PLAY, 5)]
    assert plays(make_dataset(events))["advertisement_before"].tolist() == [True, False]


@pytest.mark.parametrize("listener", [1, 2], ids=["free at the end", "premium at the end"])
def test_premium_begins_with_the_first_purchase_in_any_session(
    make_dataset: MakeDataset, listener: int
) -> None:
    played = [(second, listener, "a", PLAY, 5) for second in (0, 10, 20, 30)]
    bought = [(25, listener, "", BUY, 6), (15, listener, "", BUY, 7)]
    other = (5, 3 - listener, "", BUY, 8)
    table = plays(make_dataset([*played, *bought, other]))
    assert table["premium"].tolist() == [False, False, True, True]


def test_premium_without_a_purchase_is_what_it_was_at_the_end(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 1, "a", PLAY, 5), (0, 2, "a", PLAY, 6), (99, 2, "b", PLAY, 7)]))
    assert table["premium"].tolist() == [False, True, True]


def test_a_purchase_at_the_time_of_a_play_counts_if_it_comes_first_in_the_file(
    make_dataset: MakeDataset,
) -> None:
    first, bought, second = (9, 1, "a", PLAY, 5), (9, 1, "", BUY, 5), (9, 1, "b", PLAY, 5)
    assert plays(make_dataset([first, bought, second]))["premium"].tolist() == [False, True]
    elsewhere = (9, 1, "", BUY, 4)
    assert plays(make_dataset([first, elsewhere, second]))["premium"].tolist() == [False, True]
    assert plays(make_dataset([elsewhere, first, second]))["premium"].tolist() == [True, True]


def test_a_purchase_of_a_listener_who_is_not_in_the_file_counts(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 77, "a", PLAY, 5), (1, 77, "", BUY, 5), (2, 77, "a", PLAY, 5)]))
    assert table["premium"].tolist() == [False, True]


def test_an_unknown_listener_and_track_leave_gaps(make_dataset: MakeDataset) -> None:
    table = plays(make_dataset([(0, 77, "?", PLAY, 5)]))
    assert table["favourite_genres"].tolist() == [[]]
    assert table["premium"].tolist() == [False]
    assert np.isnan(table["duration_s"]).all()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 12),  # few seconds, so that times are often equal
        st.just(1),
        st.sampled_from(["a", "b"]),
        st.sampled_from([PLAY, PLAY, SKIP, LIKE, ADVERTISEMENT]),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=30,
)
DISTINCT_TIMES = st.lists(st.integers(0, 10_000), min_size=30, max_size=30, unique=True)


def _one_by_one(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """The transform as its definition reads, an event at a time."""
    rows: list[dict[str, Any]] = []
    latest: dict[tuple[int, str], dict[str, Any]] = {}
    n_plays: Counter[int] = Counter()
    advertised: set[int] = set()
    for second, _, track, kind, session in sorted(events, key=lambda event: event[0]):
        row = latest.get((session, track))
        if kind == PLAY:
            row = {"at": second, "session": str(session), "position": n_plays[session], "track": track}
            row |= {"advertisement": session in advertised, "skipped": False, "liked": False}
            rows.append(row | {"listened": {"a": 100.0, "b": 200.0}[track]})
            latest[session, track] = rows[-1]
            n_plays[session] += 1
            advertised.discard(session)
        elif kind == ADVERTISEMENT:
            advertised.add(session)
        elif kind == LIKE and row is not None:
            row["liked"] = True
        elif kind == SKIP and row is not None and not row["skipped"]:
            row |= {"skipped": True, "listened": second - row["at"]}
    return [tuple(row.values()) for row in rows]


def _rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    seconds = (table["started_at"] - pd.Timestamp("2023-01-01")).dt.total_seconds()
    columns = ["session_id", "position", "track_id", "advertisement_before", "skipped", "liked_while_playing"]
    return list(zip(seconds, *(table[c] for c in columns), table["listened_s"], strict=True))


@given(events=EVENTS)
@hypothesis_settings(max_examples=80, deadline=None)
def test_equals_the_definition_read_one_event_at_a_time(
    make_dataset: MakeDataset, events: list[Event]
) -> None:
    assert _rows(plays(make_dataset(events))) == _one_by_one(events)


@given(events=EVENTS, times=DISTINCT_TIMES, data=st.data())
@hypothesis_settings(max_examples=25, deadline=None)
def test_file_order_does_not_matter_when_times_differ(
    make_dataset: MakeDataset, events: list[Event], times: list[int], data: st.DataObject
) -> None:
    timed = [(second, *event[1:]) for second, event in zip(times, events, strict=False)]
    shuffled = data.draw(st.permutations(timed))
    pd.testing.assert_frame_equal(plays(make_dataset(shuffled)), plays(make_dataset(timed)))


@given(events=EVENTS)
@hypothesis_settings(max_examples=25, deadline=None)
def test_one_row_a_play_in_time_order_with_contiguous_positions(
    make_dataset: MakeDataset, events: list[Event]
) -> None:
    table = plays(make_dataset(events))
    assert len(table) == sum(event[3] == PLAY for event in events)
    assert table["started_at"].is_monotonic_increasing
    for _, positions in table.groupby("session_id")["position"]:
        assert positions.tolist() == list(range(len(positions)))


@given(events=EVENTS)
@hypothesis_settings(max_examples=25, deadline=None)
def test_a_session_comes_out_alone_as_it_does_among_others(
    make_dataset: MakeDataset, events: list[Event]
) -> None:
    table = plays(make_dataset(events))
    for session in {event[4] for event in events}:
        alone = plays(make_dataset([event for event in events if event[4] == session]))
        among = table[table["session_id"] == str(session)].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, among)


def test_published_figures_of_v2(v2: Dataset) -> None:
    table = plays(v2)
    skipped = table[table["skipped"]]
    assert len(table) == 11_986
    assert round(100 * table["skipped"].mean(), 2) == 34.12
    # Every SKIP and LIKE found its play.
    assert len(skipped) == 4_090
    assert table["liked_while_playing"].sum() == 3_276
    figures = skipped["listened_s"].describe()
    assert {name: round(figures[name], 2) for name in ("mean", "50%", "min", "max", "std")} == pytest.approx(
        {"mean": 132.50, "50%": 125.88, "min": 0.09, "max": 1057.39, "std": 90.49}
    )
    duration = (v2.tracks["duration_ms"] / 1000).describe()
    assert [
        round(duration[n], 2) for n in ("mean", "std", "min", "25%", "50%", "75%", "max")
    ] == pytest.approx([228.06, 112.11, 4.00, 176.74, 216.51, 262.65, 4120.26], abs=0.0101)
    assert v2.sessions["event_type"].value_counts().to_dict() == {
        PLAY: 11_986,
        SKIP: 4_090,
        ADVERTISEMENT: 3_834,
        LIKE: 3_276,
        BUY: 19,
    }
    assert table["session_id"].nunique() == 659
    assert table["favourite_genres"].map(len).eq(3).all()
    assert v2.catalogue.tracks["genres"].map(len).ge(1).all()
    premium = table["skipped"].groupby(table["premium"])
    assert premium.size().to_dict() == {False: 9_918, True: 2_068}
    assert [round(100 * rate, 1) for rate in premium.mean()] == [29.8, 54.8]
