"""A run exports what it measured, learns from its training part only, and answers the right way round."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from data import Dataset, generate, plays, read_dataset
from models import Artifact, ArtifactError, Registry, load_predictor
from models.artifact import load
from models.artifact.folder import save
from tests.paths import V2
from trainer.errors import TrainingError
from trainer.evaluation.measurement import measure, predict_plays
from trainer.export import exported_before, make_artifact
from trainer.options import Options
from trainer.recipes import RECIPES
from trainer.run import Trained, choose_models, train_models
from trainer.splits import Split, split_dataset, split_plays

REAL_DATA = V2


def silent(name: str, epochs: int) -> Callable[[float], None]:
    return lambda loss: None


def without_genres(table: pd.DataFrame) -> pd.Series:
    return pd.Series([[] for _ in range(len(table))], index=table.index, dtype=object)


def run(dataset: Dataset, root: Path, options: Options, *names: str) -> list[Trained]:
    recipes = choose_models(names, options.recipe)
    return list(train_models(split_dataset(dataset, options.split), Registry(root), recipes, options, silent))


def test_the_exported_model_is_the_measured_one(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    results = run(tiny_dataset, tmp_path, few_epochs)
    names = list(RECIPES[few_epochs.recipe])
    assert [(result.name, result.manifest.version) for result in results] == [(name, "1") for name in names]
    training, test = split_plays(plays(tiny_dataset), Split.TEMPORAL)
    outcomes = ~test["skipped"].to_numpy(dtype=bool)
    for result in results:
        predictor = load_predictor(tmp_path / result.name / "1", tiny_dataset.catalogue)
        majority = bool(training["skipped"].mean() < 0.5)
        probabilities = predict_plays(predictor, test, plays(tiny_dataset))
        assert measure(probabilities, outcomes, majority=majority) == result.metrics
        assert predictor.metrics == result.metrics.known()
        assert (
            (result.manifest.training["n_train"], len(result.tested.probabilities))
            == (len(training), len(test))
            == (320, 80)
        )


def test_the_artifact_says_where_it_came_from(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    run(tiny_dataset, tmp_path, replace(few_epochs, data_licence="CC-BY-4.0"), "advanced")
    manifest = load(tmp_path / "advanced" / "1").manifest
    assert manifest.data_digest == tiny_dataset.digest
    assert manifest.data_licence == "CC-BY-4.0"
    assert manifest.split == {"kind": "temporal", "test_share": 0.2, "seed": 42}
    assert manifest.recipe["name"] == few_epochs.recipe
    assert manifest.recipe["epochs"] == 3
    assert manifest.classes == ("skipped", "played_through")
    assert manifest.features["audio"] == list(choose_models(["advanced"], "published")["advanced"].audio)


def test_the_same_seed_gives_the_same_model(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    first, again = (run(tiny_dataset, tmp_path, few_epochs, "advanced")[0] for _ in range(2))
    assert (first.manifest.version, again.manifest.version) == ("1", "2")
    assert first.metrics == again.metrics
    files = [(tmp_path / "advanced" / version / "weights.safetensors").read_bytes() for version in "12"]
    assert files[0] == files[1]


def test_nothing_is_learnt_from_the_test_part(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    _, test = split_plays(plays(tiny_dataset), Split.TEMPORAL)
    sessions = tiny_dataset.sessions
    from_test = (sessions["event_type"] == "SKIP") & (sessions["timestamp"] > test["started_at"].min())
    other = replace(tiny_dataset, sessions=sessions[~from_test].reset_index(drop=True))
    assert from_test.any()
    before = run(tiny_dataset, tmp_path / "before", few_epochs)
    after = run(other, tmp_path / "after", few_epochs)
    assert [result.metrics for result in before] != [result.metrics for result in after]
    for model in RECIPES[few_epochs.recipe]:
        for file in ("weights.safetensors", "encoder.safetensors", "genres.json", "skip_times.safetensors"):
            paths = [tmp_path / when / model / "1" / file for when in ("before", "after")]
            assert paths[0].read_bytes() == paths[1].read_bytes()
        artifacts = [load(tmp_path / when / model / "1") for when in ("before", "after")]
        assert artifacts[0].manifest.calibration == artifacts[1].manifest.calibration


def test_a_resumed_run_keeps_what_it_exported_and_trains_the_rest(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    (first,) = run(tiny_dataset, tmp_path, few_epochs, "simple")
    resumed = run(tiny_dataset, tmp_path, replace(few_epochs, resume=True))
    assert [result.manifest.version for result in resumed] == ["1"] * len(RECIPES[few_epochs.recipe])
    assert resumed[0].metrics == first.metrics
    assert (resumed[0].fitted, resumed[1].fitted is None) == (None, False)
    (other,) = run(tiny_dataset, tmp_path, replace(few_epochs, resume=True, seed=1), "simple")
    assert other.manifest.version == "2"


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 1}, {"split": Split.RANDOM}, {"data_licence": "CC0-1.0"}, {"epochs": 2}, {"code": "other"},
        {"libraries": {"torch": "0.1"}}, {"device": "cuda"},
    ],
)  # fmt: skip
def test_a_model_that_another_run_made_is_trained_anew(
    changed: dict[str, Any], tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    run(tiny_dataset, tmp_path, few_epochs, "simple")
    registry, parts = Registry(tmp_path), split_dataset(tiny_dataset, Split.TEMPORAL)
    options = {name: value for name, value in changed.items() if name in ("seed", "split", "data_licence")}
    wanted = replace(few_epochs, **options)
    recipe = choose_models(["simple"], wanted.recipe)["simple"]
    assert exported_before("simple", recipe, registry, parts, few_epochs) is not None
    recipe = recipe.shortened(changed.get("epochs"))
    edit_training(tmp_path / "simple" / "1", {name: changed[name] for name in changed if name in MADE_BY})
    assert exported_before("simple", recipe, registry, parts, wanted) is None


MADE_BY = ("code", "libraries", "device")


def edit_training(version: Path, changes: dict[str, Any]) -> None:
    """Changes what a manifest notes of how the training went, as another machine would have noted it."""
    manifest = json.loads((version / "manifest.json").read_text())
    manifest["training"] |= changes
    (version / "manifest.json").write_text(json.dumps(manifest))


def test_a_model_of_a_trainer_that_noted_no_code_still_loads_and_is_trained_anew(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    run(tiny_dataset, tmp_path, few_epochs, "simple")
    file = tmp_path / "simple" / "1" / "manifest.json"
    manifest = json.loads(file.read_text())
    for name in MADE_BY:
        del manifest["training"][name]
    file.write_text(json.dumps(manifest))
    assert load_predictor(file.parent, tiny_dataset.catalogue).version == "1"
    (result,) = run(tiny_dataset, tmp_path, replace(few_epochs, resume=True), "simple")
    assert result.manifest.version == "2"


def test_a_resumed_run_trains_anew_what_it_finds_broken(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    run(tiny_dataset, tmp_path, few_epochs, "simple")
    (tmp_path / "simple" / "1" / "weights.safetensors").write_bytes(b"")
    (result,) = run(tiny_dataset, tmp_path, replace(few_epochs, resume=True), "simple")
    assert result.manifest.version == "2"


def test_a_stop_in_the_middle_leaves_no_half_artifact(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    def stop(name: str, epochs: int) -> Callable[[float], None]:
        def on_epoch(loss: float) -> None:
            if name == "advanced":
                raise KeyboardInterrupt

        return on_epoch

    registry, parts = Registry(tmp_path), split_dataset(tiny_dataset, Split.TEMPORAL)
    with pytest.raises(KeyboardInterrupt):
        list(train_models(parts, registry, choose_models([], few_epochs.recipe), few_epochs, stop))
    assert registry.names() == ["simple"]
    assert [path.name for path in tmp_path.iterdir()] == ["simple"]


def test_plays_of_tracks_that_the_catalogue_lacks_are_left_out(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    some = tiny_dataset.tracks.head(150)
    known = int(plays(tiny_dataset)["track_id"].isin(some["id"]).sum())
    (result,) = run(replace(tiny_dataset, tracks=some), tmp_path, few_epochs, "simple")
    assert int(str(result.manifest.training["n_train"])) + len(result.tested.probabilities) == known < 400


def test_listeners_and_tracks_without_genres_and_attributes_train_and_predict(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    bare = replace(
        tiny_dataset,
        artists=tiny_dataset.artists.assign(genres=without_genres(tiny_dataset.artists)),
        users=tiny_dataset.users.assign(favourite_genres=without_genres(tiny_dataset.users)),
        tracks=tiny_dataset.tracks.assign(tempo=np.nan),
    )
    for result in run(bare, tmp_path, few_epochs):
        assert np.isfinite(list(result.metrics.known().values())).all()


def test_one_listener_alone_is_learnt_from(tmp_path: Path, few_epochs: Options) -> None:
    generate(tmp_path / "data", listeners=1, tracks=40, plays=120, seed=2)
    for result in run(read_dataset(tmp_path / "data"), tmp_path / "models", few_epochs):
        assert np.isfinite(list(result.metrics.known().values())).all()


def test_a_registry_that_cannot_be_written_is_named(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="file/simple: cannot be written"):
        run(tiny_dataset, tmp_path / "file", few_epochs, "simple")


WEIGHTS = ("weights.safetensors", "encoder.safetensors", "genres.json", "skip_times.safetensors")


def contents(version: Path) -> list[bytes]:
    """Returns all that was learnt, but for the manifest."""
    return [(version / file).read_bytes() for file in WEIGHTS]


def test_a_refitted_model_has_learnt_from_all_plays_and_keeps_the_figures_of_the_one_that_had_not(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    names = ("simple", "advanced")
    measured = run(tiny_dataset, tmp_path, few_epochs, *names)
    refitted = run(tiny_dataset, tmp_path, replace(few_epochs, refit=True), *names)
    for before, after in zip(measured, refitted, strict=True):
        assert (before.manifest.refitted, after.manifest.refitted) == (False, True)
        assert (before.manifest.training["n_train"], after.manifest.training["n_train"]) == (320, 400)
        assert after.manifest.training["n_test"] == 80
        assert before.metrics == after.metrics
        assert after.manifest.metrics == after.metrics.known()
        assert np.array_equal(before.tested.probabilities, after.tested.probabilities)
        versions = [tmp_path / after.name / version for version in "12"]
        assert contents(versions[0]) != contents(versions[1])
        assert load(versions[1]).manifest.refitted


def test_a_listener_run_tests_every_play_and_exports_a_model_of_all(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    options, told = replace(few_epochs, split=Split.LISTENER), []
    parts, registry = split_dataset(tiny_dataset, Split.LISTENER), Registry(tmp_path)
    recipes = choose_models(["advanced"], options.recipe)

    def count(name: str, epochs: int) -> Callable[[float], None]:
        told.append(epochs)
        return lambda loss: None

    for result in train_models(parts, registry, recipes, options, count):
        assert result.manifest.refitted
        assert (result.manifest.split["kind"], result.manifest.training["n_train"]) == ("listener", 400)
        assert len(result.tested.encoders) == 5
        assert len(result.tested.probabilities) == result.manifest.training["n_test"] == 400
        expected = measure(result.tested.probabilities, parts.outcomes, majority=parts.majority)
        assert result.metrics == expected
    assert told == [recipe.epochs * recipe.n_fits * 6 for recipe in recipes.values()]


def test_nothing_of_a_listener_held_out_reaches_what_tests_it(
    tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other outcomes and favourites of the first round's strangers leave that round's model as it was."""
    options = replace(few_epochs, split=Split.LISTENER)
    round_parts = split_dataset(tiny_dataset, Split.LISTENER).rounds[0]
    held_out = set(round_parts.test["listener_id"].astype(str))
    events, users = tiny_dataset.sessions, tiny_dataset.users
    exchanged = events["event_type"].replace({"SKIP": "LIKE", "LIKE": "SKIP"})
    theirs = events["user_id"].isin(held_out)
    favourites = [
        ["klingon opera", "rock"] if user in held_out else genres
        for user, genres in zip(users["user_id"], users["favourite_genres"], strict=True)
    ]
    other = replace(
        tiny_dataset,
        sessions=events.assign(event_type=events["event_type"].mask(theirs, exchanged)),
        users=users.assign(favourite_genres=pd.Series(favourites, index=users.index, dtype=object)),
    )
    assert theirs.any()
    artifacts: list[Artifact] = []

    def noted(*arguments: Any) -> Artifact:
        artifacts.append(make_artifact(*arguments))
        return artifacts[-1]

    monkeypatch.setattr("trainer.run.make_artifact", noted)
    recipes = choose_models(list(RECIPES[options.recipe])[-1:], options.recipe)
    for dataset in (tiny_dataset, other):
        first_round = split_dataset(dataset, Split.LISTENER).rounds[0]
        list(train_models(first_round, Registry(tmp_path / "models"), recipes, options, silent))
    folders = [
        tmp_path / str(number) for number in range(4)
    ]  # the round's and the refitted, before and after
    for artifact, folder in zip(artifacts, folders, strict=True):
        save(artifact, folder)
    assert contents(folders[0]) == contents(folders[2])
    assert artifacts[0].manifest.calibration == artifacts[2].manifest.calibration
    assert contents(folders[1]) != contents(folders[3]), "who learns from all sees the difference"


@pytest.mark.parametrize("changed", [{"refit": True}, {"split": Split.LISTENER}])
def test_a_model_that_has_seen_its_test_part_cannot_be_resumed(
    changed: dict[str, Any], tiny_dataset: Dataset, tmp_path: Path, few_epochs: Options
) -> None:
    with pytest.raises(TrainingError, match="--resume cannot keep a model that learnt from all plays"):
        run(tiny_dataset, tmp_path, replace(few_epochs, resume=True, **changed))
    assert Registry(tmp_path).names() == []


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the real data is not at {REAL_DATA}")
def test_the_served_direction_is_right_on_real_plays(tmp_path: Path) -> None:
    """The published service answered the wrong way round and was right in 25.5 % of the plays."""
    options = Options("published", Split.RANDOM, torch.device("cpu"), epochs=100)
    dataset = read_dataset(REAL_DATA)
    (result,) = run(dataset, tmp_path, options, "simple")
    assert (result.manifest.training["n_train"], len(result.tested.probabilities)) == (9588, 2398)
    assert result.metrics.majority_accuracy == pytest.approx(0.659, abs=0.001)
    assert result.metrics.accuracy > result.metrics.majority_accuracy + 0.02
    assert load(tmp_path / "simple" / "1").inputs.n_inputs == 400
    _, test = split_plays(plays(dataset), Split.RANDOM)
    predictor = load_predictor(tmp_path / "simple" / "1", dataset.catalogue)
    probabilities = predict_plays(predictor, test)
    skipped = test["skipped"].to_numpy(dtype=bool)
    assert probabilities[~skipped].mean() > probabilities[skipped].mean() + 0.1
