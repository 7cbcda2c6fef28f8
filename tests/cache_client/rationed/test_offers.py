"""Held-out plays as offers."""

from pathlib import Path

import pandas as pd
import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.delivery import Delivery
from cache_client.rationed import read_offers
from cache_client.simulator.contexts import RecordedContexts
from cache_client.simulator.trace import held_out
from data import generate, plays, read_dataset


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder: Path = tmp_path_factory.mktemp("offers") / "tiny"
    generate(folder, listeners=6, tracks=60, plays=400, seed=1)
    return plays(read_dataset(folder))


def test_the_period_is_the_held_out_plays_in_time_order_behind_those_before(recorded: pd.DataFrame) -> None:
    found = read_offers(recorded, holdout=0.2, delivery=Delivery())
    kept = held_out(recorded, 0.2)
    assert [it.track_id for it in found.all[found.n_earlier :]] == kept["track_id"].tolist()
    before = recorded["track_id"].iloc[: int(kept.index[0])].tolist()
    assert [it.track_id for it in found.all[: found.n_earlier]] == before
    assert found.played_through.tolist() == (~kept["skipped"]).tolist()
    assert ((found.heard_share >= 0) & (found.heard_share <= 1)).all()
    assert found.size_bytes[0] == Delivery().size_bytes(kept["duration_s"].iloc[0])


def test_an_offer_knows_what_was_known_when_it_came_up(recorded: pd.DataFrame) -> None:
    found = read_offers(recorded, holdout=0.2, delivery=Delivery())
    row = int(held_out(recorded, 0.2).index[-1])
    assert found.all[-1].context == RecordedContexts(recorded).at(row)
    # Nor does it know what follows: without the later plays it is the same.
    cut = recorded.iloc[: row + 1].copy()
    cut.loc[row, "skipped"] = not cut.loc[row, "skipped"]
    assert RecordedContexts(cut).at(row) == found.all[-1].context


def test_without_held_out_plays_there_is_nothing_to_ration(recorded: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="no plays"):
        read_offers(recorded.iloc[:0], holdout=0.2, delivery=Delivery())
