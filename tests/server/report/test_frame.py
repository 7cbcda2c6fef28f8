"""The table that the report works on."""

from datetime import timedelta

import numpy as np
from msgspec.structs import replace
from pandas.testing import assert_frame_equal

from server.report.frame import FrameColumns, read_frame
from tests.server.experiments import simulate
from tests.server.stored import to_stored


def test_batches_in_any_order_make_the_same_table_as_all_at_once() -> None:
    records = simulate(n=500)
    same_time = [replace(record, requested_at=records[0].requested_at) for record in records[:50]]
    documents = [to_stored(record) for record in [*same_time, *records[50:]]]
    order = np.random.default_rng(3).permutation(len(documents))
    columns = FrameColumns()
    for rows in np.array_split(order, 7):
        columns.add([documents[row] for row in rows])
    assert_frame_equal(columns.frame(), read_frame([*same_time, *records[50:]]))


def test_each_listener_is_one_cluster_and_each_play_without_one_its_own() -> None:
    records = [
        replace(record, listener_id=None) if number % 3 == 0 else record
        for number, record in enumerate(simulate(n=300, listeners=20))
    ]
    frame = read_frame(records)
    clusters: dict[str, set[int]] = {}
    for cluster, record in zip(frame["cluster"], records, strict=True):  # they are in order of time
        clusters.setdefault(record.listener_id or f"prediction {record.prediction_id}", set()).add(cluster)
    assert all(len(found) == 1 for found in clusters.values())
    assert len(set.union(*clusters.values())) == len(clusters) == 120


def test_the_values_are_those_of_the_records() -> None:
    records = simulate(n=50)
    frame = read_frame(records)
    for column in ("arm", "model", "version", "digest", "arm_probability", "play_through_probability"):
        assert frame[column].tolist() == [getattr(record, column) for record in records]
    assert frame["skipped"].tolist() == [record.skipped for record in records]
    assert frame["requested_at"].tolist() == [record.requested_at for record in records]
    assert frame["has_outcome"].tolist() == [record.outcome is not None for record in records]
    told = [record.outcome for record in records if record.outcome]
    known = frame[frame["has_outcome"]]
    assert known["outcome_skipped"].tolist() == [outcome.skipped for outcome in told]
    assert known["outcome_recorded_at"].tolist() == [outcome.recorded_at for outcome in told]


def test_a_prediction_takes_no_more_than_its_columns() -> None:
    """A Python object a cell would take over a kilobyte a prediction."""
    records = [replace(r, requested_at=r.requested_at + timedelta(seconds=1)) for r in simulate(n=1000)]
    frame = read_frame(records)
    assert frame.memory_usage(deep=True, index=False).sum() < 60 * len(records)
