"""The report's figures, drawn."""

from collections.abc import Mapping, Sequence

from cache_client.report.sweeps import Sweep
from cache_client.report.timeline import Bar
from cache_client.simulator.metrics import PolicyFigures
from data.analysis.chart import CALM, INK, MAIN, MUTED, NORMAL, TALL, WARM, as_svg, lay_out, new_chart

_COLOUR_OF = {"advisor": MAIN, "oracle": CALM, "next-n-full": WARM}


def pareto_svg(policies: Mapping[str, PolicyFigures], waited_s: Mapping[str, float], title: str) -> str:
    """Returns the chart of wait against wasted bytes; down and left is better.

    Args:
        policies: Figures by policy.
        waited_s: Mean wait of a play, stalls included, by policy, in seconds.
        title: For readers who cannot see it.
    """
    with new_chart("pareto", NORMAL) as (figure, axes):
        for name, found in policies.items():
            x, y = max(found.wasted_bytes / 1e6, 0.1), waited_s[name] * 1000
            axes.plot([x], [y], "o", color=_COLOUR_OF.get(name, MUTED), markersize=6)
            # The two that follow the advisor's rule lie side by side: their names go to either side.
            below = name == "advisor"
            axes.annotate(
                name,
                (x, y),
                xytext=(-4, -9) if below else (4, 4),
                ha="right" if below else "left",
                textcoords="offset points",
                fontsize=7,
                color=INK,
            )
        axes.set_xscale("log")
        axes.margins(0.18)
        axes.set_xlabel("wasted, MB")
        axes.set_ylabel("wait a play, ms")
        lay_out(figure)
        return as_svg(figure, title)


def sweep_svg(sweep: Sweep, name: str, title: str) -> str:
    """Returns the chart of scores along one axis of the world."""
    with new_chart(name, NORMAL) as (figure, axes):
        for policy, scores in sweep.scores.items():
            colour = _COLOUR_OF.get(policy, MUTED)
            style = "--" if policy == "oracle" else "-" if policy in _COLOUR_OF else ":"
            axes.plot(sweep.values, scores, style, color=colour, label=policy, marker="o", markersize=3)
        axes.set_xscale("log")
        axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values], minor=False)
        axes.minorticks_off()
        axes.set_xlabel(sweep.name)
        axes.set_ylabel("score a session")
        axes.legend(fontsize=7, ncols=2)
        lay_out(figure)
        return as_svg(figure, title)


def timeline_svg(bars: Sequence[Bar], name: str, title: str) -> str:
    """Returns the chart of a session: heard, waited for, and fetched for nothing, over its minutes."""
    with new_chart(name, TALL) as (figure, axes):
        for place, bar in enumerate(bars):
            heard_from_s = bar.from_s + bar.waited_s
            axes.barh(place, (bar.until_s - heard_from_s) / 60, left=heard_from_s / 60, color=MAIN)
            axes.barh(place, bar.waited_s / 60, left=bar.from_s / 60, color=INK)
            axes.barh(place, bar.unheard_s / 60, left=bar.until_s / 60, color=WARM)
        axes.invert_yaxis()
        axes.set_yticks([])
        axes.grid(axis="x")
        axes.set_xlabel("minutes: heard (blue), fetched and never heard (orange)")
        axes.set_ylabel("tracks, in queue order")
        lay_out(figure)
        return as_svg(figure, title)
