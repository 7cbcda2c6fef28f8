"""The experiment's settings file, and what becomes of it."""

from pathlib import Path

import pytest

from server.errors import StartError
from server.experiment.assignment import Experiment
from server.experiment.definition import ExperimentDefinition, equal_definition, read_definition, resolve

FILE = """
name = "newer-against-older"
salt = "2030"
[[arms]]
name = "control"
model = "simple@1"
weight = 3
[[arms]]
model = "advanced"
"""
NEWEST = {"simple": "2", "advanced": "5"}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_weights_become_probabilities_and_versions_are_settled(tmp_path: Path) -> None:
    experiment = resolve(read_definition(write(tmp_path / "e.toml", FILE)), NEWEST)
    told = [(arm.name, arm.model, arm.version, arm.probability) for arm in experiment.arms]
    assert told == [("advanced", "advanced", "5", 0.25), ("control", "simple", "1", 0.75)]
    assert experiment.name == "newer-against-older"


def test_without_a_file_all_models_share_the_traffic_equally() -> None:
    experiment = resolve(equal_definition("e", None, NEWEST), NEWEST)
    assert [(arm.name, arm.version, arm.probability) for arm in experiment.arms] == [
        ("advanced", "5", 0.5),
        ("simple", "2", 0.5),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("weight = 3", "weight = 4"),
        ('salt = "2030"', 'salt = "2031"'),
        ("simple@1", "simple@2"),
        ("newer-against-older", "another"),
        ('name = "control"', 'name = "baseline"'),
    ],
)
def test_any_change_starts_another_phase_and_going_back_resumes_the_first(
    tmp_path: Path, before: str, after: str
) -> None:
    def phase(text: str, newest: dict[str, str] = NEWEST) -> str:
        return resolve(read_definition(write(tmp_path / "e.toml", text)), newest).phase

    first = phase(FILE)
    assert phase(FILE.replace(before, after)) != first
    assert phase(FILE + "# a comment\n") == first
    assert phase(FILE, NEWEST | {"advanced": "6"}) != first  # a newer model is another arm in all but name


def test_a_phase_is_the_same_in_every_process_and_release() -> None:
    definition = ExperimentDefinition.model_validate({"name": "e", "arms": [{"model": "simple"}]})
    assert resolve(definition, NEWEST).phase == "47a3a3646db8"


def test_the_declared_metric_is_kept_and_another_than_the_default_is_another_phase(tmp_path: Path) -> None:
    def experiment(line: str) -> Experiment:
        text = FILE.replace('salt = "2030"', f'salt = "2030"\n{line}')
        return resolve(read_definition(write(tmp_path / "e.toml", text)), NEWEST)

    undeclared, default, brier = (
        experiment(line) for line in ("", 'metric = "accuracy"', 'metric = "brier"')
    )
    assert [each.metric for each in (undeclared, default, brier)] == ["accuracy", "accuracy", "brier"]
    assert undeclared.phase == default.phase != brier.phase
    digests = {(arm.model, arm.version): "a" * 16 for arm in brier.arms}
    assert brier.with_digests(digests).metric == "brier"
    assert brier.with_digests(digests).phase != undeclared.with_digests(digests).phase
    listeners = [str(n) for n in range(50)]
    assert [brier.choose(each) for each in listeners] == [default.choose(each) for each in listeners]


def test_other_bytes_of_the_same_version_start_another_phase(tmp_path: Path) -> None:
    experiment = resolve(read_definition(write(tmp_path / "e.toml", FILE)), NEWEST)
    keys = [(arm.model, arm.version) for arm in experiment.arms]
    one, other = ({key: digest * 16 for key in keys} for digest in "ab")
    phases = [experiment.with_digests(digests).phase for digests in (one, other, one)]
    assert phases[0] == phases[2] != phases[1]
    assert [arm.digest for arm in experiment.with_digests(one).arms] == ["a" * 16] * len(keys)
    chosen = [experiment.with_digests(digests).choose("101").name for digests in (one, other)]
    assert chosen == [experiment.choose("101").name] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "Invalid value"),
        ("\x00\x01", "Invalid"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("#" * 1_000_000, "larger than 256 KiB"),
        ('name = "e"', "arms: Field required"),
        ('name = "e"\nmetric = "auc"\narms = [{model = "a"}]', "metric: Input should be 'accuracy', 'brier'"),
        ('name = "e"\narms = []', "arms: List should have at least 1 item"),
        ('name = "e"\narms = [{model = "a", weight = 0}]', "arms.0.weight: Input should be greater than 0"),
        ('name = "e"\narms = [{model = "a@"}]', "arms.0.model: String should match"),
        ('name = "e"\narms = [{model = "a", wieght = 1}]', "arms.0.wieght: Extra inputs"),
        ('name = "e"\narms = [{model = "a"}, {model = "b", name = "a"}]', "two arms have the same name"),
        (
            'name = "e"\narms = [{model = "a", weight = 1e308}, {model = "b", weight = 1e308}]',
            "share comes to 0",
        ),
        (
            'name = "e"\narms = [{model = "a", weight = 5e-324}, {model = "b", weight = 9}]',
            "share comes to 0",
        ),
        ('name = "e"\n"a\\nb" = 1\narms = [{model = "a"}]', r"'a\nb': Extra inputs"),
        # To parse it would take half a minute.
        (".".join(["a"] * 40_000) + " = 1", "more than 256 dots on one line"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StartError) as caught:
        read_definition(write(tmp_path / "e.toml", text))
    assert problem in str(caught.value)
    assert "e.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_model_that_is_not_served_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot read .*nowhere\.toml"):
        read_definition(tmp_path / "nowhere.toml")
    with pytest.raises(StartError, match="not a file"):
        read_definition(tmp_path)
    definition = ExperimentDefinition.model_validate({"name": "e", "arms": [{"model": "gone"}]})
    with pytest.raises(StartError, match="no model 'gone' among advanced, simple"):
        resolve(definition, NEWEST)
