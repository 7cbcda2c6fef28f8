"""`docs/experiments.md` cannot drift: its queries run, its test vectors hold, its file is read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo import MongoClient

from server.experiment.assignment import Arm, Experiment, position
from server.experiment.definition import read_definition
from server.log.mongo.store import MongoStore
from tests.paths import DOCS
from tests.server.experiments import simulate

PAGE = (DOCS / "experiments.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^\d+\. ([^\n]+):\n\n```js\n(.*?)\n```", PAGE, flags=re.DOTALL | re.MULTILINE)
# Each query's least number of results on the made-up experiment; none for what should find nothing.
EXPECTED = dict(zip((text for text, _ in QUERIES), (20, 1, 1, 2, 2, 2, 5, 8, 0, 10), strict=True))


@pytest.fixture
async def database(mongodb_uri: str) -> Any:
    store = MongoStore(mongodb_uri)
    told = simulate(n=1000)
    assert await store.add([replace(r, listener_id=str(100 + int(r.listener_id or 0))) for r in told]) == []
    await store.close()
    return mongodb_uri


@pytest.fixture
def predictions(database: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](database) as client:
        yield client.get_default_database()["predictions"]


def run(collection: Any, query: str) -> list[Any]:
    """Runs a `db.predictions.…` line of mongosh, whose arguments are JSON, through PyMongo."""
    calls = re.findall(
        r"\.(\w+)\((.*?)\)(?=\.\w+\(|$)", query.removeprefix("db.predictions"), flags=re.DOTALL
    )
    names = {"countDocuments": "count_documents"}
    target = collection
    for method, text in calls:
        arguments = json.loads(f"[{text}]")
        if method == "sort":
            arguments = [list(arguments[0].items())]
        target = getattr(target, names.get(method, method))(*arguments)
    return [target] if isinstance(target, int) else list(target)


def test_there_are_ten_queries() -> None:
    assert len(QUERIES) == 10


def test_each_query_finds_what_it_says(predictions: Any) -> None:
    found = {text: run(predictions, query) for text, query in QUERIES}
    for text, least in EXPECTED.items():
        assert len(found[text]) >= least, text
    by_text = dict(found)
    assert by_text["How many predictions still lack an outcome"] == [100]
    assert by_text["Listeners whom one phase put into several arms (there should be none)"] == []
    (accuracy, _) = by_text["Accuracy by arm"]
    assert accuracy["_id"] == "advanced"
    assert 0.5 < accuracy["accuracy"] < 1
    tenths = by_text["Calibration: predicted and observed, by tenths of the probability"]
    assert sum(tenth["n"] for tenth in tenths) == 900
    worst = by_text["The tracks that the models got wrong most often"]
    assert [track["wrong"] for track in worst] == sorted((t["wrong"] for t in worst), reverse=True)
    joined = by_text["Predictions, and the share with an outcome, by phase and arm"]
    assert [row["joined"] for row in joined] == pytest.approx([0.9, 0.9], abs=0.05)


def test_the_test_vectors_hold() -> None:
    rows = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (\d+) \| ([\d.]+) \| `(\w+)` \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) == 4
    arms = [Arm(name, name, "1", 0.5) for name in ("simple", "advanced")]
    for salt, listener_id, numerator, place, arm in rows:
        assert position(salt, listener_id) == int(numerator) / 2**53
        assert float(place) == pytest.approx(position(salt, listener_id), abs=1e-6)
        assert Experiment("e", salt, arms).choose(listener_id).name == arm


def test_the_file_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "e.toml").write_text(text, encoding="utf-8")
    arms = read_definition(tmp_path / "e.toml").arms
    assert [(arm.label, arm.pinned_version, arm.weight) for arm in arms] == [
        ("control", "3", 3),
        ("advanced", None, 1),
    ]
