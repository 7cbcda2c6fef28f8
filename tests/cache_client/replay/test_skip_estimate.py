"""What following the ranking would do to skips, on sessions whose skips are known."""

from dataclasses import replace

import pytest

from cache_client.replay.skip_estimate import estimate_skips
from cache_client.rpc.client import PredictionClient
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


@pytest.mark.parametrize("skipped_first", [True, False])
async def test_tracks_ranked_alike_share_their_places_whatever_their_order(
    client: PredictionClient, skipped_first: bool
) -> None:
    alike = [("loved", 60.0, 5.0), LOVED] if skipped_first else [LOVED, ("loved", 60.0, 5.0)]
    found = await estimate_skips(client, [session(alike)])
    assert found is not None
    assert found.reduction == 0.0
    # One place of the upper half is left for the two: each has half of it.
    liked = ("liked", 60.0, 60.0)
    found = await estimate_skips(client, [session([LOVED, *(it for it in alike), liked])])
    assert found is not None
    assert found.ranked_skip_rate == pytest.approx((2 / 3) / 2 * 1.0)


async def test_a_skip_at_the_very_end_is_a_skip(client: PredictionClient) -> None:
    late = session([DISLIKED, LOVED])
    plays = (late.plays[0]._replace(listened_s=60.0, skipped=True), late.plays[1])
    found = await estimate_skips(client, [replace(late, plays=plays)])
    assert found is not None
    assert found.recorded_skip_rate == 0.5


async def test_nothing_can_be_said_without_two_tracks_or_a_skip(client: PredictionClient) -> None:
    assert await estimate_skips(client, [session([DISLIKED])]) is None
    assert await estimate_skips(client, [session([LOVED, LOVED])]) is None
