"""What the report says of experiments whose truth is known."""

import dataclasses
import json
import math
import os
import re
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace
from rich.console import Console

from server.log.record import Outcome, PredictionRecord
from server.log.spool.status import SpoolCounts
from server.report import ExperimentReport, Phase, PhaseNotFoundError, choose_phase, make_report
from server.report.frame import read_frame
from server.report.page import render_page
from server.report.terminal import show
from tests.browser import PHONE_PX, ReportBrowser
from tests.server.experiments import START, simulate

BETTER = (0.02, 0.6)  # the advanced arm knows the truth, the simple one hardly does


def happened(skipped: bool | None) -> Outcome | None:
    return None if skipped is None else Outcome(skipped, 1000, START)


def report_on(
    predictions: list[PredictionRecord],
    metric: str = "accuracy",
    spooled: SpoolCounts | None = None,
    shown_first: str | None = None,
) -> ExperimentReport:
    """Reports on predictions of one phase."""
    times = [p.requested_at for p in predictions]
    phase = None
    if predictions:
        first = predictions[0]
        phase = Phase(first.experiment, first.phase, len(predictions), min(times), max(times))
    phases = [phase] if phase else []
    frame = read_frame(predictions)
    return make_report(
        frame, spooled or SpoolCounts(), phase=phase, phases=phases, metric=metric, shown_first=shown_first
    )


def terminal_text(report: ExperimentReport) -> str:
    with open(os.devnull, "w") as nowhere:
        console = Console(width=80, record=True, file=nowhere)
        show(report, console)
    return console.export_text()


@pytest.fixture(scope="module")
def clear() -> ExperimentReport:
    return report_on(simulate(noise=BETTER))


@pytest.fixture(scope="module")
def equal() -> ExperimentReport:
    return report_on(simulate())


def test_the_figures_of_a_hand_worked_arm() -> None:
    template = replace(simulate(n=1)[0], arm="a", listener_id=None)
    rows = [(0.8, False, False), (0.4, True, True), (0.9, False, True), (0.5, False, None)]
    told = [
        replace(template, prediction_id=str(i), play_through_probability=p, skipped=s, outcome=happened(o))
        for i, (p, s, o) in enumerate(rows)
    ]
    arm = report_on(told).arms["a"]
    assert (arm.n, arm.n_outcomes, arm.n_listeners) == (4, 3, 3)
    assert arm.accuracy == pytest.approx(2 / 3)
    assert arm.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.1)) / 3)
    assert arm.brier == pytest.approx((0.2**2 + 0.4**2 + 0.9**2) / 3)
    assert arm.roc_auc == pytest.approx(0.5)
    assert arm.calibration_bias == pytest.approx((0.8 + 0.4 + 0.9) / 3 - 1 / 3)


def test_a_clear_difference_is_found_and_named(clear: ExperimentReport) -> None:
    assert clear.health.problems == ()
    by_metric = {comparison.metric: comparison for comparison in clear.comparisons}
    assert {comparison.better for comparison in by_metric.values()} == {"advanced"}
    assert by_metric["accuracy"].difference < 0 < by_metric["brier"].difference
    assert clear.verdict.startswith("advanced predicts better than simple, by ")


def test_only_the_declared_metric_names_a_winner(clear: ExperimentReport) -> None:
    """A metric that is chosen once the figures are known would be the one that favours somebody."""
    explored = report_on(simulate(noise=BETTER), shown_first="brier")
    assert explored.verdict.startswith(clear.verdict)
    assert "By Brier score no winner is named" in explored.verdict
    assert "the phase declared accuracy" in explored.verdict
    assert explored.comparisons[0].metric == "brier"
    assert clear.comparisons[0].metric == "accuracy"
    assert (explored.to_json()["metric"], explored.to_json()["shown_first"]) == ("accuracy", "brier")
    declared = report_on(simulate(noise=BETTER), "brier")
    assert "of Brier score" in declared.verdict
    assert "explor" not in declared.verdict
    assert declared.comparisons[0].metric == "brier"


def test_the_baselines_stand_beside_the_arms(clear: ExperimentReport) -> None:
    told = json.loads(json.dumps(clear.to_json(), allow_nan=False))["baselines"]
    assert told.keys() == {"constant", "past_rate"}
    assert {"n_outcomes", "accuracy", "log_loss", "brier", "roc_auc"} <= told["constant"].keys()
    assert told["constant"]["n_outcomes"] == clear.health.n_outcomes
    text, page = terminal_text(clear), render_page(clear)
    for name in ("constant", "listener's past rate"):
        assert name in text
    for name in ("no model: constant", "no model: listener&#39;s past rate"):
        assert name in page


def test_equal_arms_yield_no_winner_and_say_what_is_left(equal: ExperimentReport) -> None:
    assert {comparison.better for comparison in equal.comparisons} == {None}
    assert equal.verdict.startswith("No arm is shown to be better")
    accuracy = equal.comparisons[0]
    assert accuracy.power is not None
    assert 0 < accuracy.power < 0.8
    assert accuracy.n_outcomes_left
    assert accuracy.minimum_detectable_difference is not None
    assert accuracy.minimum_detectable_difference > accuracy.effect


def test_the_daily_p_value_never_rises_and_ends_at_the_one_told(clear: ExperimentReport) -> None:
    for comparison in clear.comparisons:
        path = [look.always_valid_p_value for look in comparison.looks]
        # From noon to noon, eight days later; on the first, listeners are too few for a look to count.
        assert len(path) == 8
        assert path == sorted(path, reverse=True)
        assert path[-1] == comparison.always_valid_p_value


def test_the_latest_phase_is_told_unless_another_is_asked_for() -> None:
    phases = [
        Phase("e", "aaaa", 5, START, START),
        Phase("f", "ab", 5, START, START),
        Phase("e", "bbbb", 5, START, START),
    ]
    assert choose_phase(phases) is phases[2]
    assert choose_phase(phases, phase="aa") is phases[0]
    assert choose_phase(phases, phase="a") is phases[1]
    assert choose_phase(phases, experiment="f") is phases[1]
    assert choose_phase([]) is None
    for wanted in ({"phase": "cc"}, {"experiment": "g"}, {"experiment": "f", "phase": "b"}):
        with pytest.raises(PhaseNotFoundError, match="e aaaa, f ab, e bbbb"):
            choose_phase(phases, **wanted)


def test_a_wrong_ratio_of_listeners_forbids_a_verdict() -> None:
    skewed = [
        p for p in simulate(n=4000, listeners=300) if p.arm == "simple" or int(p.listener_id or 0) % 6 == 0
    ]
    report = report_on(skewed)
    assert report.health.sample_ratio_p_value is not None
    assert report.health.sample_ratio_p_value < 1e-6
    assert "do not get the traffic that they should" in report.verdict


def test_an_arm_that_nobody_got_is_a_wrong_ratio() -> None:
    report = report_on([p for p in simulate() if p.arm == "simple"])
    assert report.health.sample_ratio_p_value is not None
    assert report.health.sample_ratio_p_value < 1e-6


def test_a_few_keen_listeners_are_no_wrong_ratio() -> None:
    """Plays are not what is drawn: a test over them would blame every sticky experiment."""
    keen = [p for p in simulate(n=6000) if p.arm == "simple" or int(p.prediction_id, 16) % 7 < 2]
    assert report_on(keen).health.problems == ()


def test_listeners_in_several_arms_are_told() -> None:
    moved = simulate()
    moved[5] = replace(moved[5], arm="simple" if moved[5].arm == "advanced" else "advanced")
    report = report_on(moved)
    assert report.health.n_listeners_in_several_arms == 1
    assert report.verdict.startswith("Do not decide on this")


def test_outcomes_that_come_back_from_one_arm_more_often_are_told() -> None:
    partial = [
        replace(p, outcome=None) if p.arm == "simple" and i % 3 == 0 else p for i, p in enumerate(simulate())
    ]
    assert "outcomes come back from some arms more often" in report_on(partial).verdict


def test_an_arm_that_loses_all_outcomes_is_told() -> None:
    """All its plays are alike, so that it has no variance of its own: no reason to keep silent."""
    lost = [
        replace(p, outcome=None) if p.arm == "canary" or n % 5 == 0 else p
        for n, p in enumerate(split_experiment({"canary": (0, 40), "control": (60, 760)}))
    ]
    report = report_on(lost)
    assert "outcomes come back from some arms more often" in report.verdict


def test_dead_letters_are_told() -> None:
    spooled = SpoolCounts(waiting=3, held_outcomes=2, dead_letters=4, dead_outcomes=5)
    report = report_on(simulate(), spooled=spooled)
    assert (report.health.n_waiting_in_spool, report.health.n_dead_outcomes) == (3, 5)
    assert "4 predictions were refused by MongoDB" in report.verdict


def test_refused_outcomes_forbid_no_verdict(clear: ExperimentReport) -> None:
    """Anyone can make some, by sending ids while MongoDB is away; no figure lacks anything for it."""
    assert report_on(simulate(noise=BETTER), spooled=SpoolCounts(dead_outcomes=5)).verdict == clear.verdict


def split_experiment(right: dict[str, tuple[int, int]], plays: int = 1) -> list[PredictionRecord]:
    """Returns an experiment of two arms, each with (listeners predicted wrong, listeners in all)."""
    template, found = simulate(n=1)[0], []
    in_all = sum(listeners for _, listeners in right.values())
    for arm, (wrong, listeners) in right.items():
        for number in range(listeners * plays):
            skipped = number % listeners < wrong
            listener, share = f"{arm} {number % listeners}", listeners / in_all
            hour = timedelta(hours=200 * number / (listeners * plays))
            found.append(
                replace(
                    template, prediction_id=f"{arm} {number}", arm=arm, model=arm, listener_id=listener,
                    arm_probability=share, play_through_probability=0.9, skipped=False, digest=arm,
                    requested_at=START + hour, outcome=happened(skipped),
                )
            )  # fmt: skip
    return sorted(found, key=lambda each: each.prediction_id[::-1])


def test_overwhelming_evidence_names_a_winner() -> None:
    """Its p value underflows to 0, which is no lack of evidence."""
    report = report_on(split_experiment({"new": (100, 4000), "old": (2000, 4000)}, plays=2))
    deciding = report.comparisons[0]
    assert deciding.always_valid_p_value == 0.0
    assert deciding.always_valid_log_p_value is not None
    assert deciding.always_valid_log_p_value < -1000
    assert report.verdict.startswith("new predicts better than old, by 47.5 percentage points")
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))["comparisons"][0]
    assert told["adjusted_log_p_value"] < -1000


def test_ten_right_of_ten_show_nothing() -> None:
    """An arm without a miss has no variance of its own; all that follows is that it is too early."""
    report = report_on(split_experiment({"canary": (0, 10), "control": (100, 500)}))
    assert report.arms["canary"].accuracy == 1.0
    assert report.arms["canary"].accuracy_ci95 is None
    assert report.verdict == (
        "Nothing can be said yet: it is too early, since canary has 10 effective listeners with outcomes, and"
        " 20 are needed."
    )
    for each in report.comparisons:
        assert (each.ci95, each.p_value, each.always_valid_ci95, each.adjusted_p_value) == (None,) * 4
        assert (each.better, each.power, each.n_outcomes_left, each.looks) == (None, None, None, ())
    text = terminal_text(report)
    assert "too early" in text
    assert "more outcomes" not in text
    assert "Too early by accuracy, Brier score, log loss: canary has 10" in " ".join(text.split())
    page = render_page(report)
    assert "canary: Too early by accuracy" in page
    assert 'id="comparison_1"' not in page  # an empty plot, with an axis of its own


def test_one_outcome_of_a_canary_tells_nothing_about_lost_outcomes() -> None:
    """Nor do ten, all there; it takes listeners enough in either arm."""
    for n in (1, 10):
        some = split_experiment({"canary": (0, n), "control": (60, 300)})
        lost = [
            replace(p, outcome=None) if p.arm == "control" and int(p.prediction_id.split()[1]) % 2 else p
            for p in some
        ]
        report = report_on(lost)
        assert report.health.join_rate_p_value is None
        assert report.health.problems == ()


def test_a_metric_that_is_explored_names_no_winner() -> None:
    """Better probabilities with the same decisions: the Brier score shows it, and accuracy decides."""
    found = [
        replace(p, play_through_probability=0.95 if p.arm == "sure" else 0.55)
        for p in split_experiment({"sure": (40, 800), "vague": (40, 800)})
    ]
    report = report_on(found)
    roles = {each.metric: (each.role, each.n_in_role, each.better) for each in report.comparisons}
    assert roles == {
        "accuracy": ("decides", 1, None),
        "brier": ("exploration", 2, "sure"),
        "log_loss": ("exploration", 2, "sure"),
    }
    assert report.verdict.startswith("No arm is shown to be better")
    assert report_on(found, "brier").verdict.startswith("sure predicts better than vague")
    for text in (" ".join(terminal_text(report).split()), render_page(report)):
        assert "3 comparisons: 1 of accuracy, which decides" in text
        assert "xploration" in text


def test_of_several_arms_the_one_that_none_beats_is_named() -> None:
    """However much more certain it is that another one loses to it, or to the second."""
    all_clear = {"best": (0, 600), "good": (120, 600), "bad": (350, 600)}
    assert report_on(split_experiment(all_clear)).verdict.startswith(
        "best predicts better than 2 arms, the nearest of which is good, by 20 percentage points"
    )
    # Of the two best nothing is shown, which is no end.
    two_left = {"best": (30, 600), "good": (36, 600), "bad": (350, 600), "canary": (1, 12)}
    verdict = report_on(split_experiment(two_left)).verdict
    assert verdict.startswith("best predicts better than bad")
    assert verdict.endswith("nothing is shown yet of it and canary and good.")


def test_a_phase_alone_has_no_others(clear: ExperimentReport) -> None:
    assert "1 phase was logged" in render_page(clear)
    assert "logged and not mixed in" not in terminal_text(clear)
    two = dataclasses.replace(clear, phases=clear.phases * 2)
    assert "1 other phase was logged and not mixed in" in terminal_text(two)


def test_a_p_value_too_small_to_write_is_no_equation(clear: ExperimentReport) -> None:
    for text in (terminal_text(clear), render_page(clear)):
        assert re.search(r"p (<|&lt;) 0\.0001", text)
        assert not re.search(r"p = (<|&lt;)", text)


def test_arms_and_listeners_may_be_codes(clear: ExperimentReport) -> None:
    """A large log is read into categories and integers."""
    records = simulate(noise=BETTER)
    frame = read_frame(records)
    frame["arm"] = frame["arm"].astype("category")
    frame["cluster"] = pd.factorize(frame["cluster"])[0]
    coded = make_report(frame, SpoolCounts(), phase=clear.phase, phases=clear.phases)
    assert coded == clear


@pytest.mark.parametrize(
    ("predictions", "verdict"),
    [
        ([], "Nothing can be said yet: no outcome has been recorded."),
        ([replace(p, outcome=None) for p in simulate(n=400)], "no outcome has been recorded"),
        (simulate(n=100, listeners=8), "too early, since advanced has 3 effective listeners"),
        (
            [replace(p, arm="a", arm_probability=1.0, digest="") for p in simulate(n=50)],
            "There is nothing to compare",
        ),
        (simulate(n=1), "only simple has outcomes"),
        (
            [replace(p, outcome=None) if i else p for i, p in enumerate(simulate(n=50))],
            "only simple has outcomes",
        ),
        ([replace(p, outcome=happened(p.skipped)) for p in simulate(n=400)], "no listener differs"),
        (
            [
                replace(p, outcome=happened(True), skipped=True, play_through_probability=0.0)
                for p in simulate(n=400)
            ],
            "no listener differs",
        ),
        ([replace(p, listener_id="1") for p in simulate(n=50)], "1 listeners were put into several arms"),
        ([replace(p, listener_id=None) for p in simulate(n=50)], "No arm is shown to be better"),
    ],
)
def test_too_little_is_said_to_be_too_little(predictions: list[PredictionRecord], verdict: str) -> None:
    report = report_on(predictions)
    assert verdict in report.verdict
    for metric in ("brier", "log_loss"):
        json.dumps(report_on(predictions, metric).to_json(), allow_nan=False)
    json.dumps(report.to_json(), allow_nan=False)
    render_page(report)
    show(report, Console(quiet=True))


def test_the_json_has_the_published_shape(clear: ExperimentReport) -> None:
    told = json.loads(json.dumps(clear.to_json(), allow_nan=False))
    assert {"experiment", "phase", "phases", "health", "arms", "comparisons", "verdict"} <= told.keys()
    assert {"n", "n_outcomes", "accuracy", "accuracy_ci95", "log_loss", "brier", "roc_auc"} <= told["arms"][
        "simple"
    ].keys()
    assert {"difference", "ci95", "p_value", "always_valid_ci95"} <= told["comparisons"][0].keys()


def test_what_is_no_number_is_null_in_the_json() -> None:
    odd = [replace(p, play_through_probability=math.nan) for p in simulate(n=300)]
    told = json.dumps(report_on(odd).to_json(), allow_nan=False)
    assert json.loads(told)["arms"]["simple"]["brier"] is None


def test_two_artifacts_of_one_name_and_number_are_two_arms() -> None:
    """Whose files were replaced is another model; what was logged before digests is a group of its own."""
    digests = ("a" * 16, "b" * 16, "")
    mixed = [replace(p, arm="simple", digest=digests[i % 3]) for i, p in enumerate(simulate(n=300))]
    report = report_on(mixed)
    assert {name: (arm.n, arm.digest) for name, arm in report.arms.items()} == {
        "simple aaaaaaaaaaaaaaaa": (100, "a" * 16),
        "simple bbbbbbbbbbbbbbbb": (100, "b" * 16),
        "simple (no digest)": (100, ""),
    }


def test_heading_and_sign_of_a_difference_agree(clear: ExperimentReport) -> None:
    """The advanced arm is the more accurate one."""
    assert (clear.comparisons[0].first, clear.comparisons[0].second) == ("advanced", "simple")
    text = terminal_text(clear)
    accuracy = text.index("accuracy", text.index("Comparison: simple minus advanced"))
    assert "-0.158" in text[accuracy : accuracy + 40]
    assert "second arm minus first" not in text


def test_the_terminal_shows_it_all_in_80_columns(clear: ExperimentReport) -> None:
    text = terminal_text(clear)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in ("Health", "sample ratio", "simple@1", "always valid", clear.verdict[:40]):
        assert word in text


@pytest.mark.parametrize("width_px", [1280, PHONE_PX])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_every_plot_of_the_page(
    clear: ExperimentReport, report_browser: ReportBrowser, tmp_path: Path, width_px: int, scheme: str
) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_page(clear), encoding="utf-8")
    seen = report_browser.look(page, width_px=width_px, scheme=scheme)  # type: ignore[arg-type]
    assert seen.complaints == []
    assert seen.requests == [page.as_uri()]
    assert seen.overflow_px <= 0
    names = [figure.name for figure in seen.figures]
    assert names[:6] == ["traffic", "accuracy", "log_loss", "brier", "roc_auc", "calibration"]
    assert len(names) == len(set(names)) == 9
    assert all(figure.width > 200 and figure.shapes > 3 for figure in seen.figures)


def test_names_from_outside_are_escaped_on_the_page() -> None:
    odd = [replace(p, arm=f"<b>{p.arm}", experiment="<script>alert(1)</script>") for p in simulate(n=300)]
    html = render_page(report_on(odd))
    assert "<b>" not in html
    assert "<script" not in html
