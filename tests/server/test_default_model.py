"""Which model answers when a request names none: figures of different splits or data are never compared."""

from datetime import UTC, datetime
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Predictor
from server.default_model import default_model
from server.errors import StartError
from server.loaded_models import LoadedModel

SERVED, OTHER = "5" * 64, "0" * 64


def model(
    log_loss: float | None,
    kind: str = "temporal",
    data_digest: str = SERVED,
    **split: Any,
) -> LoadedModel:
    split = {"kind": kind, "test_share": 0.2, "seed": 42} | split
    metrics = {} if log_loss is None else {"log_loss": log_loss}
    predictor = SimpleNamespace(metrics=metrics, split=split, data_digest=data_digest)
    return LoadedModel(cast(Predictor, predictor), datetime(2030, 1, 1, tzinfo=UTC))


def chosen(served: str | None = SERVED, /, **serving: LoadedModel) -> str:
    """Returns the default, which is the same whatever the order of loading."""
    (name,) = {
        default_model(dict(order), None, lambda: served).name for order in permutations(serving.items())
    }
    return name


def test_of_models_measured_alike_the_lowest_log_loss_wins_then_the_first_name() -> None:
    assert chosen(simple=model(0.52), advanced=model(0.49), contextual=model(0.48)) == "contextual"
    assert chosen(simple=model(0.5), advanced=model(0.5)) == "advanced"


def test_an_easy_random_split_does_not_beat_the_temporal_one() -> None:
    temporal = {"a": model(0.52), "b": model(0.49)}
    easy = {"c": model(0.45, "random"), "d": model(0.46, "random"), "e": model(0.44, "random")}
    assert chosen(**temporal, **easy) == "b"


def test_strangers_come_before_later_plays_of_known_listeners() -> None:
    strangers = {"a": model(0.60, "listener"), "b": model(0.55, "listener")}
    assert chosen(**strangers, c=model(0.48), d=model(0.49)) == "b"


def test_a_split_that_nobody_knows_comes_last() -> None:
    unknown = {"a": model(0.1, "by hand"), "b": model(0.1, "by hand")}
    assert chosen(**unknown, c=model(0.6, "random"), d=model(0.7, "random")) == "c"


@pytest.mark.parametrize("changes", [{"test_share": 0.5}, {"seed": 7}], ids=str)
def test_another_test_share_or_seed_is_another_split(changes: dict[str, Any]) -> None:
    apart = model(0.1, **changes)
    assert chosen(simple=model(0.52), advanced=model(0.49), contextual=apart) == "advanced"


def test_the_data_that_is_served_comes_before_all_else() -> None:
    others = {name: model(0.4, "listener", OTHER) for name in ("a", "b", "c")}
    assert chosen(**others, simple=model(0.6, "random")) == "simple"
    # None of them is known to be of the data that is served, as where only the catalogue is.
    assert chosen(None, **others, simple=model(0.6, "random")) == "a"
    assert chosen("7" * 64, **others, simple=model(0.6, "random")) == "a"


def test_a_model_alone_in_its_split_is_the_default_only_where_all_are() -> None:
    assert chosen(simple=model(0.52), advanced=model(0.3, "listener"), contextual=model(0.51)) == "contextual"
    assert chosen(simple=model(0.52), advanced=model(0.6, "listener")) == "advanced"
    assert chosen(simple=model(0.52), advanced=model(0.3, "random")) == "simple"
    assert chosen(simple=model(0.3, "listener")) == "simple"


def test_of_equal_groups_the_larger_and_then_the_first_name_decides() -> None:
    larger = {name: model(0.6, seed=1) for name in ("x", "y", "z")}
    assert chosen(a=model(0.5), b=model(0.5), **larger) == "x"
    assert chosen(b=model(0.9), c=model(0.9), a=model(0.95, seed=1), d=model(0.94, seed=1)) == "d"


def test_a_model_without_a_log_loss_is_last() -> None:
    unmeasured = {"a": model(None, "listener"), "b": model(None, "listener")}
    assert chosen(**unmeasured, c=model(0.9, "random", OTHER)) == "c"
    assert chosen(**unmeasured) == "a"


def test_a_split_of_nonsense_is_a_split_like_any_other() -> None:
    for nonsense in (
        {"kind": None},
        {"kind": ["temporal"], "test_share": "much"},
        {"test_share": -1, "seed": {"a": 1}},
    ):
        assert chosen(simple=model(0.5, **nonsense), advanced=model(0.4, **nonsense)) == "advanced"


def test_the_data_is_read_only_where_models_of_several_sets_serve() -> None:
    def unreadable() -> str:
        raise AssertionError

    assert default_model({"a": model(0.5), "b": model(0.4, "random")}, None, unreadable).name == "a"
    with pytest.raises(AssertionError):
        default_model({"a": model(0.5), "b": model(0.4, data_digest=OTHER)}, None, unreadable)


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.builds(
            model,
            st.none() | st.sampled_from([0.4, 0.5, 0.6]),
            st.sampled_from(["random", "temporal", "listener", ""]),
            st.sampled_from([SERVED, OTHER]),
        ),
        min_size=1,
    )
)
def test_the_choice_is_the_best_of_those_measured_alike_and_follows_no_order(
    serving: dict[str, LoadedModel],
) -> None:
    def figures(name: str) -> tuple[object, ...]:
        predictor = serving[name].predictor
        return predictor.data_digest, predictor.split["kind"]

    best = default_model(serving, None, lambda: SERVED).name
    assert default_model(dict(reversed(serving.items())), None, lambda: SERVED).name == best
    log_loss = {name: it.predictor.metrics.get("log_loss", float("inf")) for name, it in serving.items()}
    alike = [name for name in serving if figures(name) == figures(best)]
    assert log_loss[best] == min(log_loss[name] for name in alike)
    assert log_loss[best] < float("inf") or min(log_loss.values()) == float("inf")


def test_the_configured_model_is_it_whatever_its_figures() -> None:
    serving = {"simple": model(None, "random", OTHER), "advanced": model(0.4)}
    assert default_model(serving, "simple") == ("simple", "configured")
    with pytest.raises(StartError, match="'other' is not among those loaded: advanced, simple"):
        default_model(serving, "other")


def test_the_reason_names_who_was_compared_and_on_what() -> None:
    reason = default_model({"simple": model(0.52), "advanced": model(0.49)}, None).reason
    expected = "temporal split of data 555555555555, test share 0.2, seed 42"
    assert reason == f"the lowest log loss of advanced, simple: {expected}"
