"""How the report writes numbers; the same in the terminal and on the page."""

from collections.abc import Mapping, Sequence

from server.report.baselines import Baseline
from server.report.comparisons import Comparison
from server.report.health import Health
from server.report.p_values import NONE, p_value

TOO_EARLY = "too early"

BASELINE_COLUMNS = ("baseline", "accuracy", "log loss", "Brier score", "ROC AUC")
_BASELINES = {"constant": "constant", "past_rate": "listener's past rate"}
_METRICS = {"accuracy": "accuracy", "brier": "Brier score", "log_loss": "log loss"}


def metric_name(metric: str) -> str:
    """Returns a metric's name in running text."""
    return _METRICS[metric]


def baseline_name(name: str) -> str:
    """Returns a baseline's name in running text."""
    return _BASELINES[name]


def baseline_rows(baselines: Mapping[str, Baseline], digits: int) -> list[tuple[str, ...]]:
    """Returns a row of figures for each baseline: its name, accuracy, log loss, Brier score and ROC AUC."""
    return [
        (
            baseline_name(name),
            *(decimals(it, digits) for it in (found.accuracy, found.log_loss, found.brier, found.roc_auc)),
        )
        for name, found in baselines.items()
    ]


def decimals(value: float | None, digits: int, *, signed: bool = False) -> str:
    """Returns a number, or a dash for none."""
    return NONE if value is None else f"{value:{'+' if signed else ''}.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int, *, signed: bool = False) -> str:
    """Returns an interval, or a dash for none."""
    if bounds is None:
        return NONE
    low, high = (decimals(bound, digits, signed=signed) for bound in bounds)
    return f"{low} to {high}"


def reasons_too_early(comparisons: Sequence[Comparison]) -> list[str]:
    """Returns why comparisons of two arms say nothing yet, each reason with the metrics that it holds for."""
    metrics: dict[str, list[str]] = {}
    for each in comparisons:
        if each.too_early is not None:
            metrics.setdefault(each.too_early, []).append(metric_name(each.metric))
    return [f"{TOO_EARLY.capitalize()} by {', '.join(names)}: {why}." for why, names in metrics.items()]


def roles(comparisons: Sequence[Comparison]) -> str:
    """Returns which comparisons decide and which explore, and what their p values are adjusted for."""
    deciding = [each for each in comparisons if each.role == "decides"]
    exploring = len(comparisons) - len(deciding)
    name = metric_name(deciding[0].metric)
    return (
        f"{len(comparisons)} comparisons: {len(deciding)} of {name}, which {_s('decide', len(deciding))}"
        f" (p adjusted by Bonferroni's rule), and {exploring} of other metrics, which are exploration and"
        f" name no winner (p adjusted by Holm's rule)."
    )


def _s(verb: str, n: int) -> str:
    return f"{verb}s" if n == 1 else verb


def health_rows(health: Health) -> list[tuple[str, str]]:
    """Returns the health figures, each with its label."""
    rate = health.outcome_join_rate
    by_arm = ", ".join(f"{arm} {share:.1%}" for arm, share in health.outcome_join_rate_by_arm.items())
    return [
        ("predictions", f"{health.n:,}"),
        ("assigned (listeners, or plays without one)", f"{health.n_assignments:,}"),
        ("sample ratio, p value (one look, χ²)", p_value(health.sample_ratio_p_value)),
        ("sample ratio, p value (any number of looks)", p_value(health.sample_ratio_p_value_sequential)),
        ("outcomes joined", NONE if rate is None else f"{health.n_outcomes:,} ({rate:.1%})"),
        ("outcomes joined, by arm", by_arm or NONE),
        ("outcomes joined alike, p (any number of looks)", p_value(health.join_rate_p_value)),
        ("listeners in several arms", f"{health.n_listeners_in_several_arms:,}"),
        ("waiting in this machine's spool", f"{health.n_waiting_in_spool + health.n_outcomes_held:,}"),
        ("predictions refused by MongoDB", f"{health.n_dead_letters:,}"),
        ("outcomes refused (late, or of no prediction)", f"{health.n_dead_outcomes:,}"),
    ]
