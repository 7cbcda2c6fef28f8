"""What a headless Chromium sees of a report; for the tests of every room that writes one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DESKTOP_PX, PHONE_PX = 1280, 360

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_MEASURE = """() => {
  const drawn = svg => [...svg.querySelectorAll('path, use')].filter(shape => {
    const box = shape.getBoundingClientRect();
    return box.width + box.height > 0;
  }).length;
  const figures = [...document.querySelectorAll('figure')].map(figure => {
    const svg = figure.querySelector('svg'), box = svg ? svg.getBoundingClientRect() : {width: 0, height: 0};
    const text = svg ? svg.querySelector('text') : null;
    return {
      name: figure.id, width: box.width, height: box.height, shapes: svg ? drawn(svg) : 0,
      ink: text ? getComputedStyle(text).fill : '', sentence: figure.querySelector('p').textContent,
    };
  });
  const style = getComputedStyle(document.body);
  return {
    figures, background: style.backgroundColor, ink: style.color,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}"""


def find_chromium() -> str | None:
    """Returns the path of the system's Chromium or Chrome, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class SeenFigure:
    """A `<figure>`: its SVG's size on the screen, how many shapes have a size, and its text's colour."""

    name: str
    width: float
    height: float
    shapes: int
    ink: str
    sentence: str


@dataclass(frozen=True)
class Seen:
    """A page as it was rendered.

    Attributes:
        complaints: Console errors and warnings, and uncaught exceptions.
        requests: Every URL asked for.
        overflow_px: How much wider than the window the page is.
        background: CSS colour of the page; `ink` that of its text.
    """

    complaints: list[str]
    requests: list[str]
    figures: list[SeenFigure]
    overflow_px: int
    background: str
    ink: str


class ReportBrowser:
    """A headless Chromium without a network."""

    def __init__(self, chromium: Any) -> None:
        """Keeps Playwright's browser."""
        self._chromium = chromium

    def look(
        self, page: Path, *, width_px: int = DESKTOP_PX, scheme: Literal["light", "dark"] = "light"
    ) -> Seen:
        """Opens a page, with all its folded parts unfolded, and says what there is to see."""
        context = self._chromium.new_context(
            viewport={"width": width_px, "height": 800}, color_scheme=scheme, offline=True
        )
        try:
            tab = context.new_page()
            complaints: list[str] = []
            requests: list[str] = []
            tab.on("request", lambda request: requests.append(request.url))
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on(
                "console",
                lambda message: (
                    complaints.append(message.text) if message.type in ("error", "warning") else None
                ),
            )
            tab.goto(page.resolve().as_uri())
            tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
            seen = tab.evaluate(_MEASURE)
        finally:
            context.close()
        figures = [SeenFigure(**figure) for figure in seen["figures"]]
        return Seen(complaints, requests, figures, seen["overflow"], seen["background"], seen["ink"])


@contextmanager
def open_browser(chromium_path: str) -> Iterator[ReportBrowser]:
    """Starts Chromium; it ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=list(_FLAGS))
        try:
            yield ReportBrowser(chromium)
        finally:
            chromium.close()


def brightness(css_colour: str) -> float:
    """Returns the mean of a CSS colour's three channels, from 0 (black) to 255 (white)."""
    channels = css_colour[css_colour.index("(") + 1 : -1].replace(",", " ").split()[:3]
    return sum(map(float, channels)) / 3
