"""What a model has seen of the plays that are replayed."""

import json
from pathlib import Path

import pytest

from cache_client.simulator.training_overlap import training_overlap


@pytest.fixture
def manifest_file(tmp_path: Path) -> Path:
    return tmp_path / "manifest.json"


def seen(file: Path, kind: str, holdout: float, data_digest: str = "ours") -> str | None:
    split = {"kind": kind, "test_share": 0.2, "seed": 42}
    file.write_text(json.dumps({"split": split, "data_digest": "ours"}))
    return training_overlap(file, data_digest, holdout)


def test_a_temporal_split_keeps_its_last_part_unseen(manifest_file: Path) -> None:
    assert seen(manifest_file, "temporal", 0.2) is None
    assert seen(manifest_file, "temporal", 0.1) is None
    found = seen(manifest_file, "temporal", 0.5)
    assert found == "trained on the first 80% of these plays, and the last 50% are replayed"


@pytest.mark.parametrize("kind", ["random", "listener"])
def test_any_other_split_has_seen_some_of_every_part(manifest_file: Path, kind: str) -> None:
    assert str(seen(manifest_file, kind, 0.2)).startswith(f"trained on a {kind} split of these plays")


def test_nothing_is_said_of_other_plays_or_without_a_manifest(manifest_file: Path) -> None:
    assert seen(manifest_file, "random", 0.2, data_digest="another") is None
    assert training_overlap(manifest_file.parent / "nowhere", "ours", 0.2) is None
    for broken in ("", "[]", "{}", '{"split": null, "data_digest": "ours"}'):
        manifest_file.write_text(broken)
        assert training_overlap(manifest_file, "ours", 0.2) is None
