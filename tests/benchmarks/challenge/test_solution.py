"""Our rules behind the challenge's interface, on a made-up queue."""

from collections.abc import Sequence

import pytest

from benchmarks.challenge.solution import SOLUTIONS, chunks_of


class Video:
    """Three seconds, most listeners stay; with the end mark that the challenge's curves have."""

    def __init__(self, levels: Sequence[int] = (), played_ms: float = 0.0) -> None:
        """Takes the levels of the chunks that are there."""
        self.video_size = {level: [mbit * 125_000] * 3 for level, mbit in enumerate((0.75, 1.2, 1.85))}
        self._levels, self._played_ms = list(levels), played_ms

    def get_user_model(self) -> tuple[Sequence[float], Sequence[str]]:
        return [0.0, 1000.0, 2000.0, 3000.0, 4000.0], ["1", "0.9", "0.8", "0.7", "0"]

    def get_chunk_sum(self) -> int:
        return 3

    def get_chunk_counter(self) -> int:
        return len(self._levels)

    def get_downloaded_bitrate(self) -> list[int]:
        return self._levels

    def get_buffer_size(self) -> float:
        return 1000.0 * len(self._levels) - self._played_ms

    def get_play_chunk(self) -> float:
        return self._played_ms / 1000


def test_the_end_mark_is_no_retention_and_sizes_are_in_mbit() -> None:
    chunks = chunks_of(Video())
    assert chunks.heard == (1.0, 0.9, 0.8, 0.7)
    assert chunks.mbit[2] == pytest.approx((1.85,) * 3)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_session_begins_with_the_playing_videos_first_chunk(name: str) -> None:
    video, level, sleep_ms = SOLUTIONS[name]().run(0, 0, 0, False, 0, [Video() for _ in range(5)], True)
    assert (video, sleep_ms) == (0, 0)
    assert level in (0, 1, 2)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_nothing_is_asked_for_that_is_all_there(name: str) -> None:
    # The last two videos of a session, both fetched whole: any chunk asked for would be out of range.
    queue = [Video((1, 1, 1), 500.0), Video((1, 1, 1))]
    *_, sleep_ms = SOLUTIONS[name]().run(400, 0, 150_000, False, 5, queue)
    assert sleep_ms > 0


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_video_that_would_stall_comes_first(name: str) -> None:
    queue = [Video((0,), 990.0), Video()]
    video, _, sleep_ms = SOLUTIONS[name]().run(900, 0, 100_000, False, 3, queue)
    assert (video, sleep_ms) == (3, 0)
