"""The published test vectors: a port that meets them plans as this rule does."""

import json
from typing import Any

import pytest

from cache_client.prefetch.advisor import advise
from cache_client.prefetch.score import ScoreWeights
from tests.cache_client.prefetch.plan_vectors import (
    VECTORS,
    document,
    plan_as_json,
    request_from_json,
)

PUBLISHED: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]


@pytest.mark.parametrize("vector", PUBLISHED, ids=lambda it: it["name"])
def test_the_rule_gives_the_published_plan_to_the_byte(vector: dict[str, Any]) -> None:
    plan = advise(request_from_json(vector["request"]), ScoreWeights(**vector["weights"]))
    assert plan_as_json(plan) == vector["plan"]


def test_the_published_vectors_are_those_that_make_vectors_writes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == document(), "run `make vectors`"


def test_the_vectors_tell_plans_apart() -> None:
    """Vectors that all say the same would let a port pass that leaves half of the rule out."""
    plans = [json.dumps(it["plan"]) for it in PUBLISHED]
    assert len(set(plans)) >= 0.8 * len(plans)
    assert sum(not it["plan"]["fetches"] for it in PUBLISHED) <= 0.3 * len(plans)
