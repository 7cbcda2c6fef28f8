"""What a client remembers of its link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.prefetch.link_observer import MOST_SILENCES, MOST_TRANSFERS, LinkObserver

AUDIO = 20_000.0


def fast(observer: LinkObserver) -> None:
    observer.received(250_000.0, 1.0)
    observer.paced(9.0)


def test_nothing_is_known_before_the_first_byte() -> None:
    seen = LinkObserver(AUDIO).observations()
    assert (seen.transfers, seen.watched_s, seen.silences_s) == ((), 0.0, ())


def test_a_silence_is_as_long_as_nothing_came() -> None:
    observer = LinkObserver(AUDIO)
    fast(observer)
    observer.received(0.0, 4.0)
    fast(observer)
    assert observer.observations().silences_s == (4.0,)
    assert observer.observations().watched_s == 24.0


def test_half_the_audios_rate_counts_as_half_a_silence() -> None:
    observer = LinkObserver(AUDIO)
    fast(observer)
    observer.received(AUDIO / 2 * 10.0, 10.0)
    observer.paced(1.0)
    # The slow second half a second at a time: the usual rate is by now less than the audio's, too.
    assert 3.0 < observer.observations().silences_s[0] <= 5.0


def test_silences_between_which_the_lead_did_not_grow_again_are_one() -> None:
    observer = LinkObserver(AUDIO)
    for _ in range(3):
        observer.received(AUDIO * 5.0, 5.0)
        observer.received(0.0, 2.0)
    observer.paced(1.0)
    assert observer.observations().silences_s == pytest.approx((6.0,))


def test_a_play_bridges_its_own_silences_and_no_earlier_ones() -> None:
    observer = LinkObserver(AUDIO)
    fast(observer)
    observer.received(0.0, 3.0)
    observer.play_began()
    observer.received(0.0, 2.0)
    observer.play_began()
    assert observer.observations().silences_s == (3.0, 2.0)


def test_a_silence_under_way_is_seen() -> None:
    observer = LinkObserver(AUDIO)
    observer.received(0.0, 3.0)
    assert observer.observations().silences_s == (3.0,)


def test_a_link_that_is_always_slower_than_the_audio_is_not_silent() -> None:
    observer = LinkObserver(AUDIO)
    for _ in range(1_000):
        observer.received(15_000.0, 1.0)
    assert observer.observations().silences_s == ()
    observer.received(0.0, 2.0)
    assert observer.observations().silences_s == (2.0,)


def test_what_is_dropped_takes_its_time_along() -> None:
    observer = LinkObserver(AUDIO)
    for _ in range(3 * MOST_SILENCES):
        fast(observer)
        observer.received(0.0, 2.0)
        observer.paced(0.0)
    seen = observer.observations()
    assert (len(seen.silences_s), len(seen.transfers)) == (MOST_SILENCES, MOST_TRANSFERS)
    # One every 12 s, however many were dropped.
    assert seen.watched_s / len(seen.silences_s) == pytest.approx(12.0)


def test_what_was_seen_lasts_from_process_to_process() -> None:
    before = LinkObserver(AUDIO)
    for _ in range(5):
        fast(before)
        before.received(0.0, 2.0)
        before.paced(0.0)
    assert LinkObserver(AUDIO, before.observations()).observations() == before.observations()


READS = st.tuples(
    st.sampled_from(["received", "paced", "play_began"]), st.floats(0.0, 1e6), st.floats(0.0, 1e4)
)


@given(st.lists(READS, max_size=60))
def test_any_reads_leave_finite_observations(reads: list[tuple[str, float, float]]) -> None:
    observer, watched_s = LinkObserver(AUDIO), 0.0
    for kind, size_bytes, duration_s in reads:
        if kind == "received":
            observer.received(size_bytes, duration_s)
        elif kind == "paced":
            observer.paced(duration_s)
        else:
            observer.play_began()
        watched_s += 0.0 if kind == "play_began" else duration_s
    seen = observer.observations()
    assert 0.0 <= seen.watched_s <= watched_s + 1e-6
    assert all(0.5 <= it < 1e7 for it in seen.silences_s)
