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
from tests.paths import DOCS, V2
from tests.server.experiments import simulate

PAGE = (DOCS / "experiments.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^\d+\. ([^\n]+):\n\n```js\n(.*?)\n```", PAGE, flags=re.DOTALL | re.MULTILINE)
# Each query's least number of results on the made-up experiment; none for what should find nothing.
EXPECTED = dict(zip((text for text, _ in QUERIES), (20, 1, 1, 2, 2, 2, 5, 8, 0, 10), strict=True))


@pytest.fixture
async def database(mongodb_uri: str) -> Any:
    store = MongoStore(mongodb_uri)
    told = [replace(r, listener_id=str(100 + int(r.listener_id or 0))) for r in simulate(n=1000)]
    stored = await store.add({record.prediction_id: record for record in told})
    assert (len(stored.inserted), stored.refused) == (1000, {})
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


def moved(before: tuple[int, int], after: tuple[int, int], salt: str = "s") -> list[tuple[str, str]]:
    """Returns the arms before and after of many listeners, by weights of `advanced` and `control`."""

    def arms(weights: tuple[int, int], salt: str) -> Experiment:
        named = zip(("advanced", "control"), weights, strict=True)
        return Experiment("e", salt, [Arm(name, name, "1", weight / sum(weights)) for name, weight in named])

    first, second = arms(before, "s"), arms(after, salt)
    listeners = [str(number) for number in range(20_000)]
    return [(first.choose(each).name, second.choose(each).name) for each in listeners]


def test_changed_weights_move_whom_the_page_says() -> None:
    pairs = moved((1, 3), (1, 1))
    moves = {pair for pair in pairs if pair[0] != pair[1]}
    assert moves == {("control", "advanced")}
    assert sum(a != b for a, b in pairs) / len(pairs) == pytest.approx(0.25, abs=0.02)
    advanced = [before for before, after in pairs if after == "advanced"]
    assert advanced.count("control") / len(advanced) == pytest.approx(0.5, abs=0.02)
    assert "from 1 : 3 to 1 : 1 moves 25 % of all, from `control` to `advanced`" in PAGE
    assert moved((1, 3), (1, 3)) == [(arm, arm) for arm, _ in pairs]  # what changes no boundary moves nobody


def test_another_salt_gives_each_arm_the_same_mixture_of_former_arms() -> None:
    pairs = moved((1, 3), (1, 1), salt="t")
    for name in ("advanced", "control"):
        former = [before for before, after in pairs if after == name]
        assert former.count("control") / len(former) == pytest.approx(0.75, abs=0.02)


def test_the_files_are_read(tmp_path: Path) -> None:
    found = []
    for text in re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL):
        (tmp_path / "e.toml").write_text(text, encoding="utf-8")
        arms = read_definition(tmp_path / "e.toml").arms
        found.append([(arm.label, arm.pinned_version, arm.weight) for arm in arms])
    assert found == [
        [("control", "3", 3), ("advanced", None, 1)],
        [("as-recommended", None, 1), ("ranked", None, 1)],
    ]


def snippet(word: str) -> str:
    """Returns the Python block of the page that has a word."""
    (found,) = [it for it in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if word in it]
    return str(found)


def test_the_weighted_effect_undoes_unequal_shares_of_the_arms(mongodb_uri: str) -> None:
    names: dict[str, Any] = {}
    exec(snippet("def effects"), names)
    # In the first half the ranked arm has a quarter of the traffic and everybody skips a lot; in the second
    # three quarters, and nobody does. Ranking halves the skips in both. Unweighted, it would do far more.
    documents = [
        {
            "_id": f"{number:024x}", "experiment": "ranked-queue", "arm": "ranked" if ranked else "other",
            "arm_probability": share if ranked else 1 - share, "listener_id": str(number % 40),
            "outcome": {"skipped": number % 20 < rate * (10 if ranked else 20), "listened_ms": 30_000},
        }
        for rate, share in ((0.8, 0.25), (0.2, 0.75))
        for ranked in (True, False)
        for number in range(round(400 * (share if ranked else 1 - share)))
    ]  # fmt: skip
    for number, document in enumerate(documents):
        document["_id"] = number
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.get_default_database()["predictions"].insert_many(documents)
    for _, effect, low, high in names["effects"](mongodb_uri, "ranked-queue"):
        assert effect == pytest.approx(-0.5)
        assert low < effect < high


def test_the_sample_size_is_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    if not V2.is_dir():
        pytest.skip("the real data is not at ../shared/data/v2")
    text = snippet("solve_power").replace("path/to/v2", str(V2))
    exec(text, {})
    assert f"```\n{capsys.readouterr().out}```" in PAGE
