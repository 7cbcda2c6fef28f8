"""The price of bytes: it holds a budget, spends it, and buys the better offers."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_client.prefetch.byte_price import BytePrice

OFFERS = st.lists(st.tuples(st.floats(-10, 10), st.integers(1, 1000)), max_size=60)


def drawn(n: int, seed: int) -> list[tuple[float, int]]:
    draw = random.Random(seed)
    return [(draw.random(), draw.randint(50, 150)) for _ in range(n)]


@given(
    offers=OFFERS,
    earlier=OFFERS,
    budget=st.integers(0, 20_000),
    expected=st.integers(0, 40_000),
    window=st.integers(1, 20),
)
def test_the_budget_is_never_overspent(
    offers: list[tuple[float, int]],
    earlier: list[tuple[float, int]],
    budget: int,
    expected: int,
    window: int,
) -> None:
    price = BytePrice(budget, expected, earlier, window=window)
    spent = sum(size for worth, size in offers if price.offer(worth, size))
    assert spent <= budget
    assert price.left_bytes == budget - spent


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_well_judged_budget_is_spent_on_the_better_offers(share: float) -> None:
    offers = drawn(3000, seed=1)
    budget = share * sum(size for _, size in offers)
    price = BytePrice(budget, budget / share, drawn(500, seed=2))
    taken = [(worth, size) for worth, size in offers if price.offer(worth, size)]
    assert sum(size for _, size in taken) > 0.98 * budget
    best = sorted(offers, reverse=True)[: len(taken)]
    assert sum(worth for worth, _ in taken) > 0.97 * sum(worth for worth, _ in best)


def test_an_offer_is_decided_by_the_price_before_it() -> None:
    price = BytePrice(100, 400, [(0.5, 100), (0.9, 100), (0.1, 100), (0.2, 100)])
    assert price.price == 0.9
    assert not price.offer(0.8, 100)
    assert price.offer(0.9, 100)
    assert price.price == math.inf


def test_the_price_falls_when_too_little_was_spent_and_rises_when_too_much() -> None:
    seen = [(worth / 100, 100) for worth in range(100)]
    saving, spending = BytePrice(5_000, 10_000, seen), BytePrice(5_000, 10_000, seen)
    for _ in range(20):
        saving.saw(0.5, 100)
        spending.saw(0.5, 100)
        spending.spend(100)
    assert saving.price < 0.5 < spending.price


def test_the_price_follows_the_latest_offers() -> None:
    price = BytePrice(5_000, 10_000, [(1.0, 1)] * 50 + [(3.0, 1)] * 50, window=50)
    assert price.price == 3.0


def test_everything_fits_a_budget_as_large_as_what_is_to_come() -> None:
    price = BytePrice(1_000, 1_000, [(1.0, 100)])
    assert price.price == -math.inf
    assert price.offer(-5.0, 1_000)


def test_what_does_not_fit_is_not_taken() -> None:
    price = BytePrice(99, 0, [(0.1, 10)])
    assert not price.offer(1.0, 100)
    assert price.left_bytes == 99


@pytest.mark.parametrize(
    ("budget", "expected", "window"), [(-1, 1, 1), (math.inf, 1, 1), (1, math.nan, 1), (1, 1, 0)]
)
def test_what_is_no_budget_is_refused(budget: float, expected: float, window: int) -> None:
    with pytest.raises(ValueError, match="no budget"):
        BytePrice(budget, expected, window=window)


def test_a_worth_that_is_no_number_is_worth_nothing_and_leaves_the_others_in_order() -> None:
    price = BytePrice(500, 10_000, window=3)
    for worth in (0.2, float("nan"), 0.9, 0.4, 0.6, 0.8):
        price.saw(worth, 100)
    assert 0.6 <= price.price <= 0.8
