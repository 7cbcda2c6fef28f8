"""What models have seen of the plays that are replayed, and which models answer."""

from typing import Any

import pytest

from cache_client.rpc.messages import Arm, Model, ModelList
from cache_client.simulator.training_overlap import (
    asked_models,
    drawn_models,
    is_refitted,
    training_overlap,
)


def model(name: str = "simple", version: str = "1", state: str = "serving", **fields: Any) -> Model:
    told: dict[str, Any] = {"split": "temporal", "test_share": 0.2, "data_digest": "ours"} | fields
    is_default = told.pop("is_default", False)
    return Model(name, version, "", (), {}, None, is_default, state, **told)


def seen(kind: str, holdout: float, data_digest: str = "ours", **fields: Any) -> str | None:
    return training_overlap(model(split=kind, **fields), data_digest, holdout)


def test_a_temporal_split_keeps_its_last_part_unseen() -> None:
    assert seen("temporal", 0.2) is None
    assert seen("temporal", 0.1) is None
    found = seen("temporal", 0.5)
    assert found == "trained on the first 80% of these plays, and the last 50% are replayed"


@pytest.mark.parametrize("kind", ["random", "by hand"])
def test_any_other_split_has_seen_some_of_every_part(kind: str) -> None:
    assert str(seen(kind, 0.2)).startswith(f"trained on a {kind} split of these plays")


@pytest.mark.parametrize(("kind", "refitted"), [("temporal", True), ("", True), ("listener", False)])
def test_a_refitted_model_has_seen_all_and_so_has_one_of_folds_by_listener(kind: str, refitted: bool) -> None:
    assert str(seen(kind, 0.01, refitted=refitted)).startswith("refitted on all of these plays")
    assert is_refitted(model(split=kind, refitted=refitted), "ours")
    assert not is_refitted(model(split=kind, refitted=refitted), "another")


def test_nothing_is_said_of_other_plays_or_of_a_model_that_a_server_says_nothing_of() -> None:
    assert seen("random", 0.2, data_digest="another") is None
    assert seen("temporal", 0.2, data_digest="another", refitted=True) is None
    assert seen("", 0.2, test_share=0.0) is None
    assert seen("temporal", 0.5, test_share=0.0) is None
    untold = model(split="", test_share=0.0, data_digest="")
    assert not is_refitted(untold, "ours")
    assert training_overlap(untold, "ours", 1.0) is None


def test_the_asked_model_is_the_serving_version_of_its_name_or_the_default() -> None:
    models = (
        model("advanced", "2", is_default=True),
        model("simple", "3", "failed"),
        model("simple", "2"),
        model("simple", "1", "standby"),
    )
    listed = ModelList(models, "e", ())
    assert asked_models(listed, "") == [models[0]]
    assert asked_models(listed, "simple") == [models[2]]
    assert asked_models(listed, "other") == []


def test_the_drawn_models_are_the_arms_versions_or_those_that_serve() -> None:
    models = (model("advanced", "2"), model("simple", "2"), model("simple", "1", "standby"))
    pinned = ModelList(
        models, "e", (Arm("control", "simple", 0.5, "1"), Arm("advanced", "advanced", 0.5, "2"))
    )
    assert drawn_models(pinned) == [models[0], models[2]]
    untold = ModelList(models, "e", (Arm("simple", "simple", 1.0),))
    assert drawn_models(untold) == [models[1]]
