import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from data import DataError, Dataset, generate, plays, read_dataset
from data.generator import generation, listeners, sessions
from data.generator.listeners import make_listeners
from data.generator.timeline import RECORDING_DAYS
from data.generator.vocabulary import FEATURES, STYLES, genres
from data.quality import validate
from data.reading.faults import Severity
from data.schema import DATASET_FILES, STORAGE_COST_PER_MINUTE


def _bytes(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_ones(tmp_path: Path) -> None:
    for name, seed in {"first": 1, "again": 1, "other": 2}.items():
        generate(tmp_path / name, listeners=3, tracks=30, plays=50, seed=seed)
    assert _bytes(tmp_path / "first") == _bytes(tmp_path / "again")
    first, other = _bytes(tmp_path / "first"), _bytes(tmp_path / "other")
    assert all(first[name] != other[name] for name in first)


def test_the_bytes_do_not_depend_on_the_processor(tmp_path: Path) -> None:
    """NumPy orders partitions and ties otherwise where vector instructions are missing."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found")
    if not found:
        pytest.skip("this processor has no vector instructions that NumPy can go without")
    sizes = ["--listeners", "40", "--tracks", "300", "--plays", "400"]
    plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(found), "OPENBLAS_CORETYPE": "PRESCOTT"}
    for name, changed in {"here": {}, "plain": plain}.items():
        command = [sys.executable, "-m", "data", "generate", "--out", str(tmp_path / name), *sizes]
        subprocess.run(command, env={**os.environ, **changed}, check=True, capture_output=True)
    assert _bytes(tmp_path / "here") == _bytes(tmp_path / "plain")


@pytest.mark.parametrize(
    ("listeners", "tracks", "n_plays"), [(1, 1, 1), (20, 3, 5), (1, 2, 300), (2, 500, 41)]
)
def test_numbers_are_kept_and_every_size_reads_clean(
    tmp_path: Path, listeners: int, tracks: int, n_plays: int
) -> None:
    generate(tmp_path / "d", listeners=listeners, tracks=tracks, plays=n_plays, seed=0)
    dataset = read_dataset(tmp_path / "d")
    assert (len(dataset.users), len(dataset.tracks), len(plays(dataset))) == (listeners, tracks, n_plays)


def test_the_layout_is_the_real_releases(sample_directory: Path) -> None:
    assert sorted(os.listdir(sample_directory)) == sorted(c.file_name for c in DATASET_FILES)
    for contract in DATASET_FILES:
        records = _records(sample_directory / contract.file_name)
        assert {tuple(record) for record in records} == {tuple(contract.columns)}
    events = _records(sample_directory / "sessions.jsonl")
    texts = [event["timestamp"] for event in events]
    assert [datetime.fromisoformat(text).isoformat() for text in texts] == texts
    assert {len(text) for text in texts} == {19, 26}
    order = [(event["user_id"], event["timestamp"]) for event in events]
    assert order == sorted(order)
    with_track = {event["event_type"] for event in events if event["track_id"]}
    assert with_track == {"PLAY", "SKIP", "LIKE"}


def test_references_and_names_are_clean(sample: Dataset) -> None:
    assert sample.tracks["id_artist"].isin(sample.artists["id"]).all()
    assert sample.artists["name"].is_unique
    assert not sample.tracks.duplicated(["id_artist", "name"]).any()
    assert sample.track_storage["track_id"].tolist() == sample.tracks["id"].tolist()
    assert sample.artists["genres"].map(lambda names: len(set(names)) == len(names)).all()
    assert sample.users["favourite_genres"].map(lambda names: len(set(names))).eq(3).all()


def test_storage_costs_what_its_class_costs(sample: Dataset) -> None:
    tracks = sample.catalogue.tracks
    minutes = tracks["duration_ms"] / 60_000
    np.testing.assert_allclose(
        tracks["daily_cost"], minutes * tracks["storage_class"].map(STORAGE_COST_PER_MINUTE), rtol=1e-12
    )
    assert (tracks["storage_class"].ne("SLOW") == tracks["popularity"].gt(70)).all()


def test_skips_and_likes_follow_their_play_within_its_time(sample: Dataset) -> None:
    table = plays(sample)
    counts = sample.sessions["event_type"].value_counts()
    assert table["skipped"].sum() == counts["SKIP"]
    assert table["liked_while_playing"].sum() == counts["LIKE"]
    assert (table["listened_s"] <= table["duration_s"]).all()
    assert (table["listened_s"] > 0).all()


def test_sessions_have_one_listener_and_do_not_overlap(sample: Dataset) -> None:
    spans = sample.sessions.groupby("session_id").agg(
        listeners=("user_id", "nunique"), listener=("user_id", "first"),
        begins=("timestamp", "min"), ends=("timestamp", "max"),
    )  # fmt: skip
    assert spans["listeners"].eq(1).all()
    last_end = spans.groupby("listener")["ends"].shift()
    assert (last_end.isna() | (spans["begins"] >= last_end)).all()


def test_premium_is_bought_once_and_ends_the_advertising(sample: Dataset) -> None:
    events = sample.sessions.merge(sample.users[["user_id", "premium_user"]], on="user_id")
    bought = events[events["event_type"] == "BUY_PREMIUM"].set_index("user_id")["timestamp"]
    assert bought.index.is_unique
    assert set(bought.index) == set(sample.users["user_id"][sample.users["premium_user"]])
    later = events[events["timestamp"] > events["user_id"].map(bought)]
    assert len(later) > 100
    assert not later["event_type"].eq("ADVERTISEMENT").any()


def test_track_attributes_are_close_to_those_of_v2(sample: Dataset) -> None:
    tracks = sample.tracks
    seconds = tracks["duration_ms"] / 1000
    np.testing.assert_allclose(seconds.quantile([0.25, 0.5, 0.75]), [176.74, 216.51, 262.65], rtol=0.05)
    means = {"danceability": 0.562, "energy": 0.561, "loudness": -9.77, "valence": 0.563, "tempo": 119.6}
    for name, mean in means.items():
        assert tracks[name].mean() == pytest.approx(mean, rel=0.12), name
    assert tracks["popularity"].mean() == pytest.approx(29.5, abs=3)
    assert tracks["popularity"].std() == pytest.approx(17.1, abs=2)
    assert tracks["energy"].corr(tracks["acousticness"]) < -0.3
    assert tracks["energy"].corr(tracks["loudness"]) > 0.6


def test_tastes_drive_skips_beyond_who_the_listener_is(sample: Dataset) -> None:
    """A model must find more in favourite genres and sound than the listeners' skip rates."""
    table = plays(sample)
    tracks = sample.catalogue.tracks.set_index("id").loc[table["track_id"]].reset_index()
    shared = [len(set(a) & set(b)) for a, b in zip(tracks["genres"], table["favourite_genres"], strict=True)]
    listener = pd.get_dummies(table["listener_id"], dtype=float).to_numpy()
    sound = StandardScaler().fit_transform(tracks[list(FEATURES)].assign(shared=shared))
    by_style = np.stack(
        [tracks["genres"].map(lambda g, s=s: any(s in x for x in g)) for s in _style_names()], axis=1
    )
    own_sound = (listener[:, :, None] * sound[:, None, :]).reshape(len(table), -1)
    test = np.arange(len(table)) % 5 == 0
    auc = {
        name: _auc(inputs, table["skipped"].to_numpy(), test)
        for name, inputs in {
            "listener": listener,
            "listener and track": np.hstack([listener, sound, by_style, 0.5 * own_sound]),
        }.items()
    }
    assert auc["listener"] == pytest.approx(0.80, abs=0.05)
    assert auc["listener and track"] > auc["listener"] + 0.015


def _style_names() -> list[str]:
    return [style.name for style in STYLES]


def _auc(inputs: Any, outcome: Any, test: Any) -> float:
    model = LogisticRegression(C=0.1, max_iter=300).fit(inputs[~test], outcome[~test])
    return float(roc_auc_score(outcome[test], model.predict_proba(inputs[test])[:, 1]))


def test_genres_are_some_hundreds_of_distinct_names() -> None:
    names = genres().names
    assert 300 <= len(names) == len(set(names)) <= 1000
    assert Counter(genres().style.tolist()).keys() == set(range(len(STYLES)))


def test_blocks_of_a_long_listener_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BLOCK_PLAYS", 40)
    seen: list[int] = []
    generate(tmp_path / "d", listeners=1, tracks=20, plays=130, seed=3, progress=seen.append)
    assert seen == [40, 40, 40, 10]
    events = read_dataset(tmp_path / "d").sessions
    assert events["timestamp"].is_monotonic_increasing
    assert events["session_id"].astype(int).is_monotonic_increasing


@pytest.mark.parametrize("n_plays", [5_000, 25_000])
def test_a_busy_listener_stays_within_the_recording(tmp_path: Path, n_plays: int) -> None:
    generate(tmp_path / "d", listeners=1, tracks=50, plays=n_plays, seed=3)
    times = read_dataset(tmp_path / "d").sessions["timestamp"]
    assert times.is_monotonic_increasing
    assert pd.Timedelta(days=80) < times.iloc[-1] - times.iloc[0] < pd.Timedelta(days=RECORDING_DAYS)


def test_more_plays_than_a_listener_has_time_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"80,000 plays of 1 listeners? last longer than 100 days: ask for more"
    ):
        generate(tmp_path / "d", listeners=1, tracks=50, plays=80_000, seed=3)
    assert os.listdir(tmp_path) == []


def test_a_crowd_is_drawn_in_parts_of_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts leave no trace: the crowd is the one that is drawn at once."""
    whole = make_listeners(np.random.default_rng(5), genres(), 30, 300)
    monkeypatch.setattr(listeners, "_LISTENERS_AT_A_TIME", 7)
    parts = make_listeners(np.random.default_rng(5), genres(), 30, 300)
    np.testing.assert_array_equal(parts.favourites, whole.favourites)
    np.testing.assert_array_equal(parts.sound_taste, whole.sound_taste)


@pytest.mark.parametrize("wrong", [{"listeners": 0}, {"tracks": 0}, {"plays": 0}, {"seed": -1}])
def test_impossible_numbers_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        generate(tmp_path / "d", **wrong)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_an_older_data_set_is_replaced(tmp_path: Path) -> None:
    generate(tmp_path / "d", listeners=1, tracks=5, plays=5, seed=1)
    generate(tmp_path / "d", listeners=2, tracks=5, plays=5, seed=1)
    assert len(read_dataset(tmp_path / "d").users) == 2
    assert os.listdir(tmp_path) == ["d"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"holds 'thesis\.txt', which no data set has: not overwritten"):
        generate(tmp_path / "d", listeners=1, tracks=5, plays=5)
    assert os.listdir(tmp_path / "d") == ["thesis.txt"]


def test_a_file_in_the_folders_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("mine")
    with pytest.raises(DataError, match="not a folder: not overwritten"):
        generate(tmp_path / "d", listeners=1, tracks=5, plays=5)
    assert (tmp_path / "d").read_text() == "mine"


def test_a_generation_that_breaks_off_leaves_the_older_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path / "d", listeners=1, tracks=5, plays=5, seed=1)
    before = _bytes(tmp_path / "d")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generation, "_write_sessions", full)
    with pytest.raises(DataError, match="cannot write: no space left on device"):
        generate(tmp_path / "d", listeners=1, tracks=5, plays=5, seed=2)
    assert _bytes(tmp_path / "d") == before
    assert os.listdir(tmp_path) == ["d"]


@pytest.mark.parametrize(
    "size",
    [{"listeners": 30, "tracks": 300, "plays": 1500, "seed": 5}, {"plays": 100_000}],
    ids=["small", "large"],
)
def test_validation_finds_no_fault(size: dict[str, Any], tmp_path: Path) -> None:
    generate(tmp_path / "d", **size)
    report = validate(tmp_path / "d")
    assert (report.count(Severity.ERROR), report.count(Severity.WARNING)) == (0, 0)
    findings = [finding for file in report.files.values() for finding in file.findings]
    assert [finding.rule for finding in findings] == ["empty-track-id"]  # the advertisements'


def test_memory_does_not_grow_with_the_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BLOCK_PLAYS", 100)

    def peak_bytes(plays: int) -> int:
        tracemalloc.start()
        try:
            generate(tmp_path / str(plays), listeners=25, tracks=100, plays=plays)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(5_000)  # what is imported and cached on the way stays out of the comparison
    assert peak_bytes(25_000) < 1.1 * peak_bytes(5_000)
