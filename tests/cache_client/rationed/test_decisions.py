"""Who gets the bytes: online, and with hindsight."""

import numpy as np

from cache_client.rationed.decisions import decide_online, decide_with_hindsight


def test_a_decision_does_not_depend_on_what_comes_later() -> None:
    draw = np.random.default_rng(0)
    worths, sizes = draw.random(300), draw.integers(1, 100, 300)
    taken = decide_online(worths, sizes, 100, 2_000.0, 10_000.0)
    changed = worths.copy()
    changed[200:] = 1.0 - changed[200:]
    assert decide_online(changed, sizes, 100, 2_000.0, 10_000.0)[:100].tolist() == taken[:100].tolist()
    assert sizes[100:][taken].sum() <= 2_000


def test_hindsight_takes_the_best_that_fit_and_nothing_worthless() -> None:
    values, sizes = np.array([0.0, 3.0, 2.0, 1.0]), np.array([1, 6, 5, 4])
    assert decide_with_hindsight(values, sizes, 10.0).tolist() == [False, True, False, True]
    assert decide_with_hindsight(values, sizes, 100.0).tolist() == [False, True, True, True]
