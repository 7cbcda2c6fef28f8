"""What following the ranking would do to skips, on sessions whose skips are known."""

import pytest

from cache_client.client import PredictionClient
from cache_client.off_policy import estimate_skips
from cache_client.simulator import RecordedSession
from tests.cache_client.traces import session

LOVED, DISLIKED = ("loved", 60.0, 60.0), ("disliked", 60.0, 5.0)


def numbered(*plays: tuple[str, float, float]) -> list[RecordedSession]:
    return [session(plays, session_id=number) for number in range(20)]


async def test_a_ranking_that_is_right_leaves_no_skip_in_the_upper_half(client: PredictionClient) -> None:
    found = await estimate_skips(client, numbered(DISLIKED, LOVED))
    assert found is not None
    assert (found.sessions, found.recorded_skip_rate, found.ranked_skip_rate) == (20, 0.5, 0.0)
    assert found.reduction == 1.0
    assert found.reduction_ci95 == (1.0, 1.0)


async def test_a_ranking_that_is_wrong_is_not_made_to_look_good(client: PredictionClient) -> None:
    skipped_loved, heard_disliked = ("loved", 60.0, 5.0), ("disliked", 60.0, 60.0)
    found = await estimate_skips(client, numbered(heard_disliked, skipped_loved))
    assert found is not None
    assert found.reduction == pytest.approx(-1.0)


async def test_tracks_ranked_alike_change_nothing_in_expectation(client: PredictionClient) -> None:
    half = [session([LOVED, ("loved", 60.0, 5.0)]), session([("loved", 60.0, 5.0), LOVED])]
    found = await estimate_skips(client, half)
    assert found is not None
    assert found.reduction == 0.0


async def test_nothing_can_be_said_without_two_tracks_or_a_skip(client: PredictionClient) -> None:
    assert await estimate_skips(client, [session([DISLIKED])]) is None
    assert await estimate_skips(client, [session([LOVED, LOVED])]) is None
