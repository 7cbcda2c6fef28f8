"""Rankings within sessions, on sessions whose skips are known."""

from dataclasses import replace

import pytest

from cache_client.replay.skip_estimate import MODEL, SkipEstimate, estimate_skips
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import RecentPlay
from cache_client.simulator import RecordedSession
from tests.cache_client.traces import session

LOVED, DISLIKED = ("loved", 60.0, 60.0), ("disliked", 60.0, 5.0)
SKIPPED_LOVED, HEARD_DISLIKED = ("loved", 60.0, 5.0), ("disliked", 60.0, 60.0)


def numbered(*plays: tuple[str, float, float]) -> list[RecordedSession]:
    return [session(plays, session_id=number, listener_id=str(number)) for number in range(20)]


async def estimated(client: PredictionClient, *sessions: RecordedSession) -> SkipEstimate:
    found = await estimate_skips(client, sessions)
    assert found is not None
    return found


async def test_a_ranking_that_is_right_leaves_no_skip_in_the_upper_half(client: PredictionClient) -> None:
    found = await estimated(client, *numbered(DISLIKED, LOVED))
    model = found.rankings[MODEL]
    assert (found.sessions, found.listeners, found.skip_rate, model.skip_rate) == (20, 20, 0.5, 0.0)
    assert (model.reduction, model.reduction_ci95) == (1.0, (1.0, 1.0))
    assert (model.reduction_per_minute, model.reduction_per_minute_ci95) == (1.0, (1.0, 1.0))


async def test_a_ranking_that_is_wrong_is_not_made_to_look_good(client: PredictionClient) -> None:
    found = await estimated(client, *numbered(HEARD_DISLIKED, SKIPPED_LOVED))
    assert found.rankings[MODEL].reduction == pytest.approx(-1.0)
    assert found.rankings["hindsight"].reduction == 1.0
    assert found.rankings["hindsight"].model_lead == pytest.approx(-2.0)


async def test_any_order_neither_gains_nor_loses(client: PredictionClient) -> None:
    found = await estimated(client, *numbered(DISLIKED, LOVED, DISLIKED), *numbered(LOVED, DISLIKED))
    figures = found.rankings["any order"]
    assert figures.skip_rate == pytest.approx(found.skip_rate)
    assert figures.skips_per_minute == pytest.approx(found.skips_per_minute)
    for interval in (figures.reduction_ci95, figures.reduction_per_minute_ci95):
        assert interval == pytest.approx((0.0, 0.0))


async def test_short_tracks_first_gain_a_play_and_lose_a_minute(client: PredictionClient) -> None:
    # The half that is kept has fewer skips, but what it skips leaves few minutes heard.
    plays = [("a", 20.0, 4.0), ("b", 30.0, 30.0), ("c", 600.0, 300.0), ("d", 500.0, 400.0)]
    figures = (await estimated(client, session(plays))).rankings["shortest first"]
    assert figures.reduction == pytest.approx(1 - 1 / 1.5)
    assert figures.skips_per_minute == pytest.approx(1 / (34 / 60))
    assert figures.reduction_per_minute < 0.0


async def test_the_popular_and_what_was_heard_out_before_come_first_where_that_decides(
    client: PredictionClient,
) -> None:
    known = session([DISLIKED, LOVED])
    plays = tuple(
        play._replace(track=play.track._replace(popularity=popularity))
        for play, popularity in zip(known.plays, (10.0, 90.0), strict=True)
    )
    past = replace(known.contexts[0], recent_plays=(RecentPlay("disliked", False), RecentPlay("loved", True)))
    found = await estimated(client, replace(known, plays=plays, contexts=(past, past)))
    assert found.rankings["most popular first"].reduction == 1.0
    assert found.rankings["heard out before"].reduction == -1.0


async def test_a_listener_with_many_sessions_counts_once_in_an_interval(client: PredictionClient) -> None:
    good, bad = (DISLIKED, LOVED), (HEARD_DISLIKED, SKIPPED_LOVED)
    apart = [session(good if n % 2 else bad, session_id=n, listener_id=str(n)) for n in range(40)]
    together = [replace(it, listener_id=str(n % 2)) for n, it in enumerate(apart)]
    narrow, wide = [
        (await estimated(client, *sessions)).rankings[MODEL].reduction_ci95 for sessions in (apart, together)
    ]
    assert wide == pytest.approx((-1.0, 1.0))
    assert -1.0 < narrow[0] < narrow[1] < 1.0


@pytest.mark.parametrize("skipped_first", [True, False])
async def test_tracks_ranked_alike_share_their_places_whatever_their_order(
    client: PredictionClient, skipped_first: bool
) -> None:
    alike = [SKIPPED_LOVED, LOVED] if skipped_first else [LOVED, SKIPPED_LOVED]
    assert (await estimated(client, session(alike))).rankings[MODEL].reduction == 0.0
    # One place of the upper half is left for the two: each has half of it.
    found = await estimated(client, session([LOVED, *alike, ("liked", 60.0, 60.0)]))
    assert found.rankings[MODEL].skip_rate == pytest.approx((2 / 3) / 2 * 1.0)


async def test_a_skip_at_the_very_end_is_a_skip(client: PredictionClient) -> None:
    late = session([DISLIKED, LOVED])
    plays = (late.plays[0]._replace(listened_s=60.0, skipped=True), late.plays[1])
    assert (await estimated(client, replace(late, plays=plays))).skip_rate == 0.5


async def test_nothing_can_be_said_without_two_tracks_or_a_skip(client: PredictionClient) -> None:
    assert await estimate_skips(client, [session([DISLIKED])]) is None
    assert await estimate_skips(client, [session([LOVED, LOVED])]) is None
