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
        return _win(clear, decisive, metric)
    return _open(max(ready, key=lambda c: abs(c.difference)), metric)


def _win(clear: Sequence[Comparison], decisive: Sequence[Comparison], metric: str) -> str:
    """Names an arm that no other is shown to beat, beside the one nearest to it of those that it beats."""
    beaten = {_loser(each) for each in clear}
    best = min((c for c in clear if c.better not in beaten), key=lambda c: c.adjusted_log_p_value or 0.0)
    won = [each for each in clear if each.better == best.better]
    nearest = min(won, key=lambda c: abs(c.difference))
    low, high = sorted(abs(bound) * _SCALE[metric] for bound in nearest.always_valid_ci95 or (0.0, 0.0))
    than = _loser(nearest) if len(won) == 1 else f"{len(won)} arms, the nearest of which is {_loser(nearest)}"
    sentence = (
        f"{nearest.better} predicts better than {than}, by"
        f" {abs(nearest.difference) * _SCALE[metric]:.3g} {_POINTS[metric]}"
        f" (always-valid 95 % interval {low:.3g} to {high:.3g})"
    )
    mine = [each for each in decisive if nearest.better in (each.first, each.second)]
    open_with = [_other(each, nearest.better) for each in mine if not each.better]
    if open_with:
        return f"{sentence}: nothing is shown yet of it and {_listed(open_with)}."
    return f"{sentence}: the experiment may end."


def _loser(clear: Comparison) -> str:
    return _other(clear, clear.better)


def _other(pair: Comparison, arm: str | None) -> str:
    return pair.first if arm == pair.second else pair.second


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


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
