from pathlib import Path

import pytest

from server.log.mongo.embedded.database import find_program
from tests.server.soak import Soak


@pytest.mark.skipif(find_program() is None, reason="secantusd-py is not installed")
async def test_a_server_that_is_killed_again_and_again_loses_nothing(
    data_directory: Path, registry_directory: Path, tmp_path: Path, track_ids: list[str]
) -> None:
    """Some rounds of `python -m tests.server.soak`, with whatever can go wrong going wrong."""
    soak = Soak(data_directory, registry_directory, tmp_path / "var", track_ids[0], seed=1)
    tally = await soak.run(rounds=6)
    assert tally.rounds == 6
    assert {"worker killed", "delivery killed", "database killed"} & tally.happened.keys()
    assert tally.retried
    assert tally.nothing_lost, tally.summary()
    assert len(tally.answered) > 100
