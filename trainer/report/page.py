"""A run as one HTML page that needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.pages.page import Fact, Page, Section, render
from trainer.evaluation.leaderboard import Leaderboard, Score
from trainer.options import Options
from trainer.report import charts
from trainer.result_files import write_text
from trainer.run import Trained
from trainer.splits import Parts


def write_report(
    file: Path, results: Sequence[Trained], leaderboard: Leaderboard, options: Options, title: str
) -> None:
    """Writes a run's report; `title` is what the page calls the run.

    Raises:
        TrainingError: The file cannot be written.
    """
    models = [leaderboard.model(result) for result in results]
    scores = [*models, *leaderboard.baselines(), *leaderboard.trees(results)]
    page = _page(results, models, scores, leaderboard.parts, options, title)
    write_text(file, render(page))


def _page(
    results: Sequence[Trained],
    models: Sequence[Score],
    scores: Sequence[Score],
    parts: Parts,
    options: Options,
    title: str,
) -> Page:
    outcomes, listeners = parts.outcomes, parts.test["listener_id"].to_numpy()
    learning = [
        charts.learning_chart(result.name, result.fitted) for result in results if result.fitted is not None
    ]
    threshold_of = {result.name: result.manifest.threshold for result in results}
    facts = [
        Fact("plays to train on", f"{np.mean([len(part.training_rows) for part in parts.turns]):,.0f}"),
        Fact("plays to test on", f"{len(parts.test_rows):,}"),
        Fact("played through", f"{outcomes.mean():.1%}"),
        Fact("split", options.split.value),
        Fact("recipe", options.recipe),
        Fact("seed", str(options.seed)),
    ]
    sections = [
        Section("How much is known of the listener", [charts.known_plays_chart(scores)]),
        Section("Scores", [charts.scores_chart(scores), charts.roc_chart(models, outcomes)]),
        Section(
            "Can the probabilities be believed?",
            [charts.reliability_chart(score, outcomes) for score in models],
            small=True,
        ),
        Section(
            "What the threshold makes of them",
            [charts.confusion_chart(score, outcomes, threshold_of[score.name]) for score in models],
            small=True,
        ),
        Section(
            "Are some listeners served worse?",
            [charts.listener_chart(score, outcomes, listeners, threshold_of[score.name]) for score in models],
            small=True,
        ),
    ]
    if learning:
        sections.append(Section("How training went", learning, small=True))
    lead = "How well each model foresees, before a play starts, whether the listener hears the track out."
    footer = f"Data set {parts.dataset.digest[:12]}; intervals are 95 % bootstrap intervals over listeners."
    return Page(title, lead, facts, sections, footer)
