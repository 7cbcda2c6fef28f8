"""Two servers are replaced in turn, as pods are, and no call of their clients fails."""

from pathlib import Path

from benchmarks.load.replacing import replace_each, target_of, two_places
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.retry import RetryPolicy

LEAST_CALLS = 1_000


async def test_no_call_fails_while_each_of_two_servers_is_replaced(
    data_directory: Path, registry_directory: Path, tmp_path: Path, track_ids: list[str]
) -> None:
    """Without a single repeat where the client asks for health; by repeats where it does not."""
    once = RetryPolicy(max_attempts=1)
    with two_places(data_directory, registry_directory, tmp_path, pause_s=1.0) as places:
        target = target_of(places)
        async with (
            PredictionClient(target, load_balancing="round_robin", retry=once) as checks_health,
            PredictionClient(target) as checks_nothing,
        ):
            counts = await replace_each(
                places, [checks_health, checks_nothing], track_ids[0], all_are_called=True
            )
    for count in counts:
        assert count.keys() == {"OK"}
        assert count.total() >= LEAST_CALLS
