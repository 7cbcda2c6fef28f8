"""The report's figures, drawn."""

from collections.abc import Mapping, Sequence

from cache_client.simulator.metrics import PolicyFigures
from data.pages.chart import CALM, MAIN, MUTED, NORMAL, WARM, as_svg, lay_out, new_chart

_COLOUR_OF = {"advisor": MAIN, "oracle": CALM, "next-n-full": WARM}
_LINES = {
    "advisor": "o-",
    "oracle": "D--",
    "next-n-full": "s-",
    "none": "x:",
    "next-1-prefix": "v-.",
    "two-constants": "*:",
    "tuned-constants": "*--",
    "listener-rate": "^:",
    "random": "<:",
    "popularity": ">:",
    "rank": "P:",
}
"""Marker and dash by policy, since three colours do not tell them apart."""

_LEAST_MB = 0.1
"""The logarithmic axis ends here: what wastes nothing stands at its end."""


def pareto_svg(policies: Mapping[str, PolicyFigures], title: str) -> str:
    """Returns the chart of wait against wasted bytes, and the front: policies that no other beats in both."""
    points = {
        name: (max(found.wasted_bytes / 1e6, _LEAST_MB), found.waited_s_per_play * 1000)
        for name, found in policies.items()
    }
    with new_chart("pareto", NORMAL) as (figure, axes):
        front = pareto_front([point for name, point in points.items() if name != "oracle"])
        xs, ys = [x for x, _ in front], [y for _, y in front]
        axes.plot(xs, ys, "--", color=MUTED, linewidth=1, label="front without hindsight")
        for name, point in points.items():
            marker, colour = _LINES.get(name, "o")[0], _COLOUR_OF.get(name, MUTED)
            axes.plot(*point, marker, color=colour, label=name, markersize=6, fillstyle="none")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.margins(0.1)
        axes.set_xlabel(f"wasted, MB ({_LEAST_MB:g} stands for less, too)")
        axes.set_ylabel("wait a play, ms")
        axes.legend(fontsize=7)
        lay_out(figure)
        return as_svg(figure, title)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points that no other one beats in both, from left to right; less is better."""
    front: list[tuple[float, float]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def sweep_svg(axis: str, values: Sequence[float], scores: Mapping[str, Sequence[float]], title: str) -> str:
    """Returns the chart of policies' scores along one axis of the world."""
    with new_chart(axis.split(",")[0], NORMAL) as (figure, axes):
        for policy, of_policy in scores.items():
            colour, line = _COLOUR_OF.get(policy, MUTED), _LINES.get(policy, "o:")
            axes.plot(values, of_policy, line, color=colour, label=policy, markersize=4, fillstyle="none")
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values], minor=False)
        axes.minorticks_off()
        axes.set_xlabel(axis)
        axes.set_ylabel("score a session")
        axes.legend(fontsize=7, ncols=2)
        lay_out(figure)
        return as_svg(figure, title)
