"""What `--export` writes, read back as other tools do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from data.errors import DataError
from server.errors import ServiceError
from server.log.mongo.store import MongoStore
from server.log.record import Outcome, PredictionRecord
from server.report.export import SCHEMA, exporting, require_known_suffix
from server.report.query import read_report
from tests.server.experiments import simulate
from tests.server.stored import to_stored

MakeRecord = Callable[[int], PredictionRecord]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
COLUMNS = [
    "prediction_id", "experiment", "phase", "arm", "model", "version", "digest", "arm_probability",
    "listener_id", "track_id", "favourite_genres", "play_through_probability", "skipped", "requested_at",
    "latency_us", "metric", "outcome_skipped", "outcome_listened_ms", "outcome_recorded_at",
]  # fmt: skip


@pytest.fixture
def records(make_record: MakeRecord) -> list[PredictionRecord]:
    """Foreign text of every kind, with and without listener, outcome and genres."""
    outcome = Outcome(skipped=True, listened_ms=9000, recorded_at=NOON + timedelta(minutes=3))
    return [
        replace(make_record(1), outcome=outcome, metric="brier"),
        replace(make_record(2), listener_id=None, favourite_genres=()),
        replace(make_record(3), listener_id="=1+1", track_id='a "track",\nof two lines', digest=""),
        replace(make_record(4), listener_id="", favourite_genres=("a|b", "")),
    ]


def write(path: Path, records: list[PredictionRecord]) -> Path:
    with exporting(path) as add:
        for some in np.array_split(np.arange(len(records)), 2):
            add([to_stored(records[i]) for i in some])
    return path


def test_parquet_holds_every_record_exactly(tmp_path: Path, records: list[PredictionRecord]) -> None:
    table = pq.read_table(write(tmp_path / "e.parquet", records))
    assert table.schema.names == COLUMNS
    for row, record in zip(table.to_pylist(), records, strict=True):
        outcome = record.outcome
        assert row["favourite_genres"] == list(record.favourite_genres)
        assert row["outcome_skipped"] == (outcome and outcome.skipped)
        assert row["outcome_listened_ms"] == (outcome and outcome.listened_ms)
        assert row["outcome_recorded_at"] == (outcome and outcome.recorded_at)
        for name in COLUMNS[:10] + COLUMNS[11:16]:
            assert row[name] == getattr(record, name), name


def test_csv_holds_foreign_text_as_it_is(tmp_path: Path, records: list[PredictionRecord]) -> None:
    path = write(tmp_path / "e.csv", records)
    read = pd.read_csv(path, dtype={"listener_id": str, "version": str, "digest": str}, keep_default_na=False)
    assert list(read.columns) == COLUMNS
    assert read["listener_id"].tolist() == ["7", "", "=1+1", ""]
    assert read["track_id"].tolist() == [record.track_id for record in records]
    assert read["favourite_genres"].tolist() == ["rock|żagle", "", "rock|żagle", "a|b|"]
    assert pd.to_datetime(read["requested_at"]).tolist() == [record.requested_at for record in records]
    assert read["outcome_listened_ms"].tolist() == ["9000", "", "", ""]
    # No listener and an empty name are two things, also here: nothing, and quoted nothing.
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    assert [
        line[8] for line in lines if line[0] in ('"' + "2".zfill(24) + '"', '"' + "4".zfill(24) + '"')
    ] == [
        "",
        '""',
    ]


def test_documents_of_older_releases_are_exported(tmp_path: Path, make_record: MakeRecord) -> None:
    document = to_stored(make_record(1))
    del document["digest"], document["metric"]
    with exporting(tmp_path / "e.parquet") as add:
        add([document])
    (row,) = pq.read_table(tmp_path / "e.parquet").to_pylist()
    assert (row["digest"], row["metric"]) == ("", "accuracy")


@pytest.mark.parametrize("name", ["e.csv", "e.parquet"])
def test_a_file_is_there_whole_or_not_at_all(
    tmp_path: Path, records: list[PredictionRecord], name: str
) -> None:
    def fail() -> None:
        with exporting(tmp_path / name) as add:
            add([to_stored(record) for record in records])
            raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError, match="went away"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_and_a_file_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    require_known_suffix(None)
    for name in ("e.xlsx", "e", "e.csv.gz"):
        with pytest.raises(ServiceError, match=r"has to end with \.csv or \.parquet"):
            require_known_suffix(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"), exporting(tmp_path / "file" / "e.csv"):
        pass


async def test_a_report_exports_the_phase_that_it_is_about(mongodb_uri: str, tmp_path: Path) -> None:
    store = MongoStore(mongodb_uri)
    told = simulate(n=300)
    old = [replace(r, prediction_id="f" + r.prediction_id[1:], phase="old") for r in told]
    await store.add({record.prediction_id: record for record in [*told, *old]})
    await store.close()
    path = tmp_path / "e.parquet"
    report = await read_report(
        mongodb_uri, tmp_path / "mongodb", tmp_path / "spool", phase="0123456789ab", export=path
    )
    rows = pq.read_table(path).to_pylist()
    assert {row["prediction_id"] for row in rows} == {record.prediction_id for record in told}
    assert len(rows) == report.health.n == 300
    plain = await read_report(mongodb_uri, tmp_path / "mongodb", tmp_path / "spool", phase="0123456789ab")
    assert plain.to_json() == report.to_json()  # the same, though less is read for it


def test_the_columns_are_those_of_the_page() -> None:
    assert SCHEMA.names == COLUMNS
