"""The charts of a run's report, each from arrays to an SVG."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from data.pages import chart
from data.pages.page import Chart, Table
from trainer.descent import Fitted
from trainer.evaluation.known_plays import Band
from trainer.evaluation.leaderboard import Score
from trainer.evaluation.measurement import equal_mass_bins

_COLOURS = (chart.MAIN, chart.WARM, chart.CALM, chart.MUTED)


def reliability_chart(score: Score, outcomes: NDArray[np.bool_]) -> Chart:
    """Returns predicted beside observed rates over 15 equal-mass bins, with consistency bars."""
    bins = equal_mass_bins(score.probabilities)
    predicted = [float(score.probabilities[part].mean()) for part in bins]
    observed = [float(outcomes[part].mean()) for part in bins]
    rows = [
        (f"{rate:.3f}", f"{seen:.3f}", f"{low:.3f} to {high:.3f}", str(len(part)))
        for rate, seen, (low, high), part in zip(predicted, observed, score.chance.bars, bins, strict=True)
    ]
    with chart.new_chart(f"reliability-{score.name}", chart.SMALL) as (figure, axes):
        _diagonal(axes)
        axes.vlines(predicted, *score.chance.bars.T, color=chart.MUTED, linewidth=3, alpha=0.5)
        axes.plot(predicted, observed, marker="o", markersize=3, color=chart.MAIN)
        axes.set(xlabel="predicted probability", ylabel="share played through", xlim=(0, 1), ylim=(0, 1))
        chart.lay_out(figure)
        svg = chart.as_svg(figure, f"Reliability of {score.name}")
    chance = score.chance
    sentence = (
        f"On average a bin's prediction is {score.metrics.ece:.3f} off what happened; by chance alone "
        f"it would be {chance.mean:.3f} ({chance.low:.3f} to {chance.high:.3f}). A grey bar is where "
        "95 of 100 draws of exactly right probabilities fall."
    )
    table = Table(("predicted", "observed", "by chance", "plays"), rows)
    return Chart(f"reliability-{score.name}", f"Reliability: {score.name}", sentence, svg, table)


def roc_chart(scores: Sequence[Score], outcomes: NDArray[np.bool_]) -> Chart:
    """Returns every model's ROC curve."""
    with chart.new_chart("roc", chart.TALL) as (figure, axes):
        _diagonal(axes)
        if outcomes.any() and not outcomes.all():
            for number, score in enumerate(scores):
                false_rate, true_rate, _ = roc_curve(outcomes, score.probabilities)
                axes.plot(false_rate, true_rate, color=_COLOURS[number % len(_COLOURS)], label=score.name)
            axes.legend(loc="lower right")
            axes.set(xlabel="skips taken for played through", ylabel="played through and so predicted")
        else:
            chart.no_data(axes)
        chart.lay_out(figure)
        svg = chart.as_svg(figure, "ROC curves")
    known = [score for score in scores if score.metrics.roc_auc is not None]
    areas = ", ".join(f"{score.name} {score.metrics.roc_auc:.3f}" for score in known)
    return Chart(
        "roc", "ROC", f"Area under the curve: {areas or 'unknown, as one outcome only occurs'}.", svg
    )


def confusion_chart(score: Score, outcomes: NDArray[np.bool_], threshold: float) -> Chart:
    """Returns the number of predictions by what happened."""
    counts = confusion_matrix(outcomes, score.probabilities >= threshold, labels=[False, True])
    names = ("skipped", "played through")
    with chart.new_chart(f"confusion-{score.name}", chart.SMALL) as (figure, axes):
        axes.grid(visible=False)
        axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), xlabel="predicted", ylabel="happened")
        axes.set_xticks((0, 1), names)
        axes.set_yticks((0, 1), names)
        for (row, column), count in np.ndenumerate(counts):
            share = count / max(int(counts.sum()), 1)
            axes.scatter(column, row, s=3000 * share + 1, color=chart.CALM if row == column else chart.WARM)
            axes.text(column, row + 0.38, f"{count:,}", ha="center", color=chart.INK)
        chart.lay_out(figure)
        svg = chart.as_svg(figure, f"Confusion matrix of {score.name}")
    found, skips = int(counts[0, 0]), int(counts[0].sum())
    sentence = f"{found:,} of {skips:,} skips were predicted, at a threshold of {threshold:.2f}."
    rows = [(names[row], *(f"{count:,}" for count in counts[row])) for row in (0, 1)]
    table = Table(("happened", "predicted skipped", "predicted played through"), rows)
    return Chart(f"confusion-{score.name}", f"Confusion matrix: {score.name}", sentence, svg, table)


def learning_chart(name: str, fitted: Fitted) -> Chart:
    """Returns the loss of each epoch."""
    epochs = np.arange(1, len(fitted.training_loss) + 1)
    line = "o-" if len(epochs) == 1 else "-"  # a curve of one point would not show
    with chart.new_chart(f"learning-{name}", chart.SMALL) as (figure, axes):
        axes.plot(epochs, fitted.training_loss, line, color=chart.MUTED, label="training, dropout on")
        if fitted.validation_loss:
            axes.plot(epochs, fitted.validation_loss, line, color=chart.MAIN, label="held out")
            axes.axvline(fitted.best_epoch, color=chart.WARM, linewidth=1)
        axes.set(xlabel="epoch", ylabel="log loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        chart.lay_out(figure)
        svg = chart.as_svg(figure, f"Learning curve of {name}")
    if fitted.validation_loss:
        best = min(fitted.validation_loss)
        sentence = f"Best on held-out plays after epoch {fitted.best_epoch}, at {best:.3f}."
    else:
        sentence = "Trained for a fixed number of epochs, with no play held out."
    return Chart(f"learning-{name}", f"Learning curve: {name}", sentence, svg)


def listener_chart(
    score: Score, outcomes: NDArray[np.bool_], listeners: NDArray[np.object_], threshold: float
) -> Chart:
    """Returns how the accuracy differs between listeners."""
    right = (score.probabilities >= threshold) == outcomes
    ids, group, counts = np.unique(listeners, return_inverse=True, return_counts=True)
    accuracy = np.bincount(group, weights=right) / counts
    order = np.argsort(accuracy)
    with chart.new_chart(f"listeners-{score.name}", chart.SMALL) as (figure, axes):
        axes.bar(np.arange(len(ids)), accuracy[order], width=0.8, color=chart.MAIN)
        axes.set(xlabel="listeners, worst first", ylabel="accuracy", ylim=(0, 1))
        axes.set_xticks([])
        chart.lay_out(figure)
        svg = chart.as_svg(figure, f"Accuracy of {score.name} by listener")
    low, middle, high = np.quantile(accuracy, (0.1, 0.5, 0.9))
    sentence = (
        f"Accuracy by listener: median {middle:.0%}, a tenth below {low:.0%}, a tenth above {high:.0%}."
    )
    rows = [(str(ids[row]), str(counts[row]), f"{accuracy[row]:.1%}") for row in order]
    table = Table(("listener", "plays", "accuracy"), rows)
    return Chart(f"listeners-{score.name}", f"Listeners: {score.name}", sentence, svg, table)


def scores_chart(scores: Sequence[Score]) -> Chart:
    """Returns the log loss of every model and baseline, with its interval."""
    with chart.new_chart("scores", chart.NORMAL) as (figure, axes):
        for row, score in enumerate(scores):
            low, high = score.intervals.get("log_loss", (score.metrics.log_loss,) * 2)
            axes.plot((low, high), (row, row), color=chart.MUTED)
            axes.plot(score.metrics.log_loss, row, marker="o", color=chart.MAIN)
        axes.set_yticks(range(len(scores)), [_name(score) for score in scores])
        axes.set(xlabel="log loss, less is better", ylim=(len(scores) - 0.5, -0.5))
        chart.lay_out(figure)
        svg = chart.as_svg(figure, "Log loss of models and baselines")
    best = min(scores, key=lambda score: score.metrics.log_loss)
    columns = (
        "", "accuracy", "ROC AUC", "log loss", "Brier score", "calibration error", "the same by chance",
        "calibration error beyond chance",
    )  # fmt: skip
    names = ("accuracy", "roc_auc", "log_loss", "brier", "ece")
    rows = [
        (_name(score), *(_with_interval(score, name) for name in names), *_beside_chance(score))
        for score in scores
    ]
    sentence = f"{_name(best)} has the lowest log loss, {best.metrics.log_loss:.3f}."
    return Chart("scores", "Models and baselines", sentence, svg, Table(columns, rows))


def known_plays_chart(scores: Sequence[Score]) -> Chart:
    """Returns the log loss of every model and baseline by how many of the listener's plays were known."""
    labels = [band.label for band in scores[0].bands]
    with chart.new_chart("known-plays", chart.NORMAL) as (figure, axes):
        for number, score in enumerate(scores):
            losses = [np.nan if band.metrics is None else band.metrics.log_loss for band in score.bands]
            line = "o-" if number < len(_COLOURS) else "o:"
            axes.plot(
                labels, losses, line, markersize=3, color=_COLOURS[number % len(_COLOURS)], label=_name(score)
            )
        axes.set(xlabel="the listener's plays known before", ylabel="log loss, less is better")
        axes.tick_params(axis="x", labelsize="small")
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.02, 0.5))
        chart.lay_out(figure)
        svg = chart.as_svg(figure, "Log loss by how many plays of the listener were known")
    sizes = ", ".join(f"{band.n:,} ({band.label})" for band in scores[0].bands)
    sentence = f"Plays by how many of the listener's were known before: {sizes}. Few plays make a noisy band."
    rows = [(_name(score), *map(_band_loss, score.bands)) for score in scores]
    return Chart("known-plays", "Log loss by known plays", sentence, svg, Table(("", *labels), rows))


def _band_loss(band: Band) -> str:
    if band.metrics is None:
        return "-"
    low, high = band.intervals.get("log_loss", (band.metrics.log_loss,) * 2)
    return f"{band.metrics.log_loss:.3f} ({low:.3f} to {high:.3f})"


def _name(score: Score) -> str:
    return score.name.replace("_", " ")


def _with_interval(score: Score, metric: str) -> str:
    value = getattr(score.metrics, metric)
    if value is None:
        return "-"
    low, high = score.intervals.get(metric, (value, value))
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _beside_chance(score: Score) -> tuple[str, str]:
    chance = score.chance
    return f"{chance.mean:.3f} ({chance.low:.3f} to {chance.high:.3f})", f"{score.debiased_error:.3f}"


def _diagonal(axes: Axes) -> None:
    axes.plot((0, 1), (0, 1), color=chart.GRID, linewidth=1)
