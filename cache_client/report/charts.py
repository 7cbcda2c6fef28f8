"""The report's figures, drawn."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from cache_client.report.sweeps import Sweep
from cache_client.simulator.metrics import PolicyFigures
from data.pages.chart import CALM, INK, MAIN, MUTED, NORMAL, WARM, as_svg, lay_out, new_chart

_COLOUR_OF = {"advisor": MAIN, "oracle": CALM, "next-n-full": WARM}
_LINES = {
    "advisor": "o-",
    "oracle": "D--",
    "next-n-full": "s-",
    "none": "x:",
    "next-1-prefix": "v-.",
    "listener-rate": "^:",
}
"""Marker and dash, since three colours do not tell six policies apart."""

_LEAST_MB = 0.1
"""The logarithmic axis ends here: what wastes nothing stands at its end."""


def pareto_svg(policies: Mapping[str, PolicyFigures], waited_s: Mapping[str, float], title: str) -> str:
    """Returns the chart of wait against wasted bytes, and the front: policies that no other beats in both.

    Args:
        policies: Figures by policy.
        waited_s: Mean wait of a play, stalls included, by policy, in seconds.
        title: For readers who cannot see it.
    """
    points = {
        name: (max(found.wasted_bytes / 1e6, _LEAST_MB), waited_s[name] * 1000)
        for name, found in policies.items()
    }
    with new_chart("pareto", NORMAL) as (figure, axes):
        front = pareto_front([point for name, point in points.items() if name != "oracle"])
        axes.plot(*zip(*front, strict=True), "--", color=MUTED, linewidth=1, label="front without hindsight")
        for name, point in points.items():
            axes.plot(*point, "o", color=_COLOUR_OF.get(name, MUTED), markersize=6)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.margins(0.18)
        axes.set_xlabel(f"wasted, MB ({_LEAST_MB:g} stands for less, too)")
        axes.set_ylabel("wait a play, ms")
        axes.legend(fontsize=7)
        lay_out(figure)
        _name_points(axes, points)
        return as_svg(figure, title)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points that no other one beats in both, from left to right; less is better."""
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def _name_points(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes each point's name beside it, where it covers no other name."""
    taken: list[Bbox] = []
    sides = [(x, y) for y in (4, -9, 13, -18) for x in (5, -5)]
    for name, point in points.items():
        for x, y in sides:
            text = axes.annotate(
                name,
                point,
                xytext=(x, y),
                ha="left" if x > 0 else "right",
                textcoords="offset points",
                fontsize=7,
                color=INK,
            )
            # Somewhat more: the page may set it in a wider font.
            box = text.get_window_extent().expanded(1.15, 1.0)
            if not any(box.overlaps(other) for other in taken):
                break
            if (x, y) != sides[-1]:
                text.remove()
        taken.append(box)


def sweep_svg(sweep: Sweep, name: str, title: str) -> str:
    """Returns the chart of scores along one axis of the world."""
    with new_chart(name, NORMAL) as (figure, axes):
        for policy, scores in sweep.scores.items():
            colour = _COLOUR_OF.get(policy, MUTED)
            line = _LINES.get(policy, "o:")
            axes.plot(sweep.values, scores, line, color=colour, label=policy, markersize=4, fillstyle="none")
        axes.set_xscale("log")
        axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values], minor=False)
        axes.minorticks_off()
        axes.set_xlabel(sweep.name)
        axes.set_ylabel("score a session")
        axes.legend(fontsize=7, ncols=2)
        lay_out(figure)
        return as_svg(figure, title)
