"""The guesses that an arm has to beat, against their definitions play by play."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn.metrics import log_loss, roc_auc_score

from server.log.record import Outcome, PredictionRecord
from server.report.baselines import (
    PRIOR_PLAYS,
    constant_probabilities,
    judge_baselines,
    past_rate_probabilities,
)
from server.report.frame import read_frame
from tests.server.experiments import START, simulate
from trainer.evaluation import baselines as trained


def told_later(n: int = 300, listeners: int = 12) -> list[PredictionRecord]:
    """Returns an experiment whose outcomes come up to two days after their predictions."""
    random = np.random.default_rng(7)
    found = []
    for record in simulate(n=n, listeners=listeners):
        delay = timedelta(hours=float(random.integers(1, 48)))
        outcome = record.outcome and Outcome(record.outcome.skipped, 1000, record.requested_at + delay)
        found.append(replace(record, outcome=outcome))
    return found


def judged(records: list[PredictionRecord]) -> pd.DataFrame:
    frame = read_frame(records)
    return frame[frame["has_outcome"]]


def test_each_guess_uses_only_what_was_told_before_it() -> None:
    records = [record for record in told_later() if record.outcome]
    frame = judged(records)
    constant = constant_probabilities(frame)
    past = past_rate_probabilities(frame, constant)
    for i, record in enumerate(records):  # they are in order of time
        told = [
            other for other in records if other.outcome and other.outcome.recorded_at < record.requested_at
        ]
        heard = [not other.outcome.skipped for other in told if other.outcome]
        expected = (sum(heard) + PRIOR_PLAYS * 0.5) / (len(heard) + PRIOR_PLAYS)
        assert constant[i] == pytest.approx(expected)
        own = [
            not other.outcome.skipped
            for other in told
            if other.outcome and other.listener_id == record.listener_id
        ]
        expected = (sum(own) + PRIOR_PLAYS * constant[i]) / (len(own) + PRIOR_PLAYS)
        assert past[i] == pytest.approx(expected)


def test_the_prior_is_that_of_the_trainer() -> None:
    assert trained._RATE_PRIOR_PLAYS == PRIOR_PLAYS


def test_the_figures_are_those_of_scikit_learn() -> None:
    records = told_later()
    frame = judged(records)
    heard = ~frame["outcome_skipped"].to_numpy(dtype=bool)
    constant = constant_probabilities(frame)
    guesses = {"constant": constant, "past_rate": past_rate_probabilities(frame, constant)}
    found = judge_baselines(read_frame(records))
    assert found.keys() == guesses.keys()
    for name, guess in guesses.items():
        baseline = found[name]
        assert baseline.n_outcomes == len(heard)
        assert baseline.accuracy == pytest.approx(np.mean((guess >= 0.5) == heard))
        assert baseline.log_loss == pytest.approx(log_loss(heard, guess))
        assert baseline.brier == pytest.approx(np.mean((guess - heard) ** 2))
        assert baseline.roc_auc == pytest.approx(roc_auc_score(heard, guess))
    assert found["past_rate"].log_loss < found["constant"].log_loss  # listeners do differ


def test_an_interval_takes_twenty_listeners() -> None:
    few = judge_baselines(read_frame(simulate(n=600, listeners=12)))
    many = judge_baselines(read_frame(simulate(n=600, listeners=60)))
    assert few["past_rate"].accuracy_ci95 is None
    low, high = many["past_rate"].accuracy_ci95 or (0.0, 0.0)
    assert low < many["past_rate"].accuracy < high


def test_a_play_tells_nothing_of_itself_whatever_its_clocks_say() -> None:
    """Two machines' clocks differ: an outcome may seem to be older than its prediction."""
    records = [
        replace(record, outcome=Outcome(record.outcome.skipped, 1000, START - timedelta(days=1)))
        for record in simulate(n=60, listeners=3)
        if record.outcome
    ]
    frame = judged(records)
    assert constant_probabilities(frame)[0] == 0.5
    same_moment = judged([replace(record, requested_at=START) for record in records])
    assert set(constant_probabilities(same_moment)) == {0.5}


def test_a_prediction_without_a_listener_has_no_past() -> None:
    frame = judged([replace(record, listener_id=None) for record in told_later()])
    constant = constant_probabilities(frame)
    assert past_rate_probabilities(frame, constant) == pytest.approx(constant)


def test_without_outcomes_there_is_no_baseline() -> None:
    assert judge_baselines(read_frame([])) == {}
    assert judge_baselines(read_frame([replace(record, outcome=None) for record in simulate(n=20)])) == {}
