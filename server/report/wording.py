"""How the report writes numbers; the same in the terminal and on the page."""

from collections.abc import Mapping

from server.report.baselines import Baseline
from server.report.health import Health

NONE = "-"
"""Stands for a figure that there is not."""

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


def p_value(value: float | None) -> str:
    """Returns a p value, or a dash for none."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


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
        ("listeners in several arms", f"{health.n_listeners_in_several_arms:,}"),
        ("waiting in this machine's spool", f"{health.n_waiting_in_spool + health.n_outcomes_held:,}"),
        ("predictions refused by MongoDB", f"{health.n_dead_letters:,}"),
        ("outcomes refused (late, or of no prediction)", f"{health.n_dead_outcomes:,}"),
    ]
