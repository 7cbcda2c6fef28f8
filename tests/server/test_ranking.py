import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ranking import best_rows


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), max_size=60), st.integers(0, 70))
def test_the_best_rows_are_those_of_a_stable_sort(values: list[float], top_k: int) -> None:
    probabilities = np.array(values)
    expected = np.argsort(-probabilities, kind="stable")[: top_k or None]
    assert best_rows(probabilities, top_k).tolist() == expected.tolist()


@pytest.mark.parametrize("top_k", [0, 3])
def test_nothing_has_no_best(top_k: int) -> None:
    assert best_rows(np.empty(0), top_k).tolist() == []
