"""One sentence for those who read nothing else."""

from collections.abc import Sequence

from server.report.arms import ArmReport
from server.report.comparisons import Comparison
from server.report.health import Health

_POINTS = {
    "accuracy": "percentage points of accuracy",
    "brier": "of Brier score",
    "log_loss": "nats of log loss",
}
_SCALE = {"accuracy": 100.0, "brier": 1.0, "log_loss": 1.0}


def conclude(
    health: Health, arms: dict[str, ArmReport], comparisons: Sequence[Comparison], metric: str
) -> str:
    """Returns what follows from the figures.

    Args:
        health: Of the phase; an unhealthy one yields no winner.
        arms: By name.
        comparisons: All of them; those that are exploration name no winner.
        metric: The one that decides.

    Returns:
        A sentence. With several pairs of arms, each has to pass at 5 % divided by their number (Bonferroni).
    """
    if health.problems:
        return f"Do not decide on this: {'; '.join(health.problems)}."
    if not health.n_outcomes:
        return "Nothing can be said yet: no outcome has been recorded."
    decisive = [comparison for comparison in comparisons if comparison.role == "decides"]
    if not decisive:
        judged = ", ".join(name for name, arm in arms.items() if arm.n_outcomes)
        return f"There is nothing to compare: only {judged} has outcomes."
    ready = [comparison for comparison in decisive if comparison.too_early is None]
    if not ready:
        return f"Nothing can be said yet: it is too early, since {decisive[0].too_early}."
    clear = [comparison for comparison in ready if comparison.better]
    if clear:
        return _win(min(clear, key=lambda c: c.adjusted_log_p_value or 0.0), metric)
    return _open(max(ready, key=lambda c: abs(c.difference)), metric)


def _win(found: Comparison, metric: str) -> str:
    loser = found.first if found.better == found.second else found.second
    low, high = sorted(abs(bound) * _SCALE[metric] for bound in found.always_valid_ci95 or (0.0, 0.0))
    return (
        f"{found.better} predicts better than {loser}, by {abs(found.difference) * _SCALE[metric]:.3g}"
        f" {_POINTS[metric]} (always-valid 95 % interval {low:.3g} to {high:.3g}): the experiment may end."
    )


def _open(widest: Comparison, metric: str) -> str:
    scale = _SCALE[metric]
    low, high = (bound * scale for bound in widest.always_valid_ci95 or (0.0, 0.0))
    sentence = (
        f"No arm is shown to be better: {widest.second} minus {widest.first} is"
        f" {widest.difference * scale:+.3g} {_POINTS[metric]}"
        f" (always-valid 95 % interval {low:+.3g} to {high:+.3g})"
    )
    if not widest.n_outcomes_left:
        return f"{sentence}; there are outcomes enough to see a difference of {widest.effect * scale:g}."
    return (
        f"{sentence}; a difference of {widest.effect * scale:g} takes about"
        f" {_two_digits(widest.n_outcomes_left):,} more outcomes."
    )


def _two_digits(number: int) -> int:
    return int(float(f"{number:.1e}"))
