"""The words that synthetic artists, tracks, genres and listeners are named with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEATURES = (
    "danceability",
    "energy",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "valence",
    "tempo",
)
"""Audio features that a style shapes, in the order of `Style.sound`."""


@dataclass(frozen=True)
class Style:
    """A family of genres.

    Attributes:
        name: The bare genre, such as "techno".
        kind: Which adjectives go with it.
        sound: Typical value of each of `FEATURES`, in standard deviations from the average track.
        popularity: How popular its tracks are, in standard deviations from the average track.
        explicit_share: Share of its tracks with explicit lyrics.
    """

    name: str
    kind: str
    sound: tuple[float, ...]
    popularity: float
    explicit_share: float


# fmt: off
STYLES = (
    #                            dance energy speech acoust instr valence tempo
    Style("rock", "band",        (-0.3, 0.9, -0.2, -1.0, -0.1, 0.1, 0.3), 0.5, 0.02),
    Style("indie", "band",       (-0.1, 0.4, -0.3, -0.4, 0.1, -0.1, 0.2), 0.5, 0.03),
    Style("metal", "band",       (-1.3, 1.8, 0.4, -1.3, 0.6, -1.0, 0.6), 0.0, 0.05),
    Style("punk", "band",        (-0.6, 1.6, 0.2, -1.2, -0.5, 0.4, 1.4), 0.1, 0.06),
    Style("ska", "band",         (0.5, 0.9, 0.1, -0.7, -0.3, 1.1, 0.6), -0.2, 0.01),
    Style("blues", "roots",      (-0.2, -0.3, -0.3, 0.6, -0.2, 0.3, 0.0), -0.4, 0.0),
    Style("country", "roots",    (0.1, 0.2, -0.6, 0.0, -0.6, 0.4, 0.2), 0.3, 0.01),
    Style("folk", "roots",       (-0.5, -1.0, -0.4, 1.3, -0.1, -0.2, -0.1), -0.2, 0.0),
    Style("bluegrass", "roots",  (0.0, -0.2, -0.3, 1.2, 0.1, 0.8, 0.5), -0.6, 0.0),
    Style("gospel", "roots",     (-0.3, 0.0, 0.2, 0.5, -0.7, 0.1, -0.2), -0.5, 0.0),
    Style("singer-songwriter", "roots", (-0.3, -0.8, -0.4, 1.0, -0.5, -0.5, -0.1), 0.4, 0.01),
    Style("jazz", "acoustic",    (-0.1, -0.9, -0.2, 1.2, 0.9, 0.1, -0.2), -0.5, 0.0),
    Style("classical", "acoustic", (-1.5, -1.8, -0.4, 1.7, 1.8, -1.2, -0.6), -0.6, 0.0),
    Style("opera", "acoustic",   (-1.7, -1.4, 0.0, 1.6, 0.6, -1.3, -0.7), -0.8, 0.0),
    Style("tango", "acoustic",   (0.0, -0.8, 0.0, 1.4, 0.5, 0.4, -0.1), -0.9, 0.0),
    Style("chanson", "acoustic", (-0.2, -0.7, 0.3, 1.2, -0.7, 0.0, -0.2), -0.4, 0.0),
    Style("pop", "song",         (0.5, 0.4, -0.1, -0.5, -0.9, 0.3, 0.0), 1.1, 0.03),
    Style("soul", "song",        (0.3, -0.1, -0.1, 0.2, -0.5, 0.5, -0.3), 0.2, 0.01),
    Style("funk", "song",        (1.0, 0.6, 0.1, -0.5, -0.1, 1.2, -0.2), -0.1, 0.02),
    Style("r&b", "song",         (0.8, -0.1, 0.4, -0.1, -0.8, 0.0, -0.3), 0.7, 0.12),
    Style("reggae", "song",      (1.2, 0.1, 0.5, -0.3, -0.5, 1.0, 0.1), -0.1, 0.03),
    Style("salsa", "song",       (0.8, 0.6, -0.1, 0.1, -0.6, 1.5, -0.6), 0.0, 0.01),
    Style("hip hop", "beat",     (1.2, 0.3, 2.0, -0.6, -0.8, 0.2, -0.2), 0.9, 0.40),
    Style("trap", "beat",        (1.1, 0.4, 1.5, -0.6, -0.6, -0.4, 0.5), 0.9, 0.45),
    Style("disco", "beat",       (1.2, 0.8, -0.2, -0.7, 0.2, 1.3, 0.1), 0.1, 0.0),
    Style("house", "beat",       (1.3, 0.9, 0.0, -1.0, 1.2, 0.2, 0.2), 0.4, 0.02),
    Style("techno", "beat",      (0.8, 1.0, -0.1, -1.1, 1.7, -0.6, 0.4), -0.2, 0.01),
    Style("trance", "beat",      (0.1, 1.3, -0.2, -1.2, 1.4, -0.6, 0.6), 0.0, 0.01),
    Style("drum and bass", "beat", (0.0, 1.4, 0.3, -1.1, 1.0, -0.2, 1.8), -0.1, 0.03),
    Style("ambient", "beat",     (-1.2, -1.6, -0.5, 1.2, 2.0, -1.3, -0.6), -0.4, 0.0),
)
PLACES = (
    "polish", "nordic", "german", "british", "french", "brazilian", "argentine", "turkish", "japanese",
    "balkan",
)
ADJECTIVES = {
    "band": (
        "alternative", "progressive", "garage", "melodic", "post", "psychedelic", "noise", "classic",
        "lo-fi",
    ),
    "roots": ("traditional", "modern", "acoustic", "electric", "delta", "outlaw", "contemporary"),
    "acoustic": ("vocal", "chamber", "modern", "early", "orchestral", "free", "nu"),
    "song": ("dance", "dream", "modern", "classic", "neo", "retro", "teen", "urban"),
    "beat": (
        "deep", "minimal", "dark", "melodic", "underground", "progressive", "tropical", "experimental",
        "hard",
    ),
}

FIRST_NAMES = (
    "Kalina", "Nikodem", "Fabian", "Zofia", "Hanna", "Antoni", "Jan", "Maja", "Julia", "Leon", "Oliwia",
    "Szymon", "Łucja", "Róża", "Ignacy", "Tymon", "Wanda", "Bruno", "Iga", "Stanisław", "Jagoda", "Borys",
    "Nela", "Kacper", "Helena", "Mikołaj", "Aniela", "Olgierd", "Lena", "Marcel",
)
LAST_NAMES = (
    "Nowak", "Wójcik", "Mazur", "Krawczyk", "Kaczmarek", "Zając", "Król", "Wróbel", "Dudek", "Pietrzak",
    "Baran", "Szczepaniak", "Sikora", "Duda", "Kubiak", "Gołąb", "Bąk", "Żak", "Wilk", "Lis", "Bednarz",
    "Musiał", "Stasiak", "Marzec", "Czech", "Kłos", "Sowa", "Piątek", "Gajda", "Kukla",
)
CITIES = ("Poznań", "Kraków", "Szczecin", "Warszawa", "Gdynia", "Wrocław", "Radom", "Łódź", "Lublin", "Toruń")
STREET_KINDS = ("ul.", "al.", "pl.")
STREETS = (
    "Wodna", "Zaciszna", "Północna", "Lipowa", "Słoneczna", "Krótka", "Młyńska", "Ogrodowa", "Cicha",
    "Źródlana", "Kwiatowa", "Klonowa", "Szeroka", "Wiśniowa", "Długa",
)
TITLE_ADJECTIVES = (
    "Silver", "Broken", "Golden", "Distant", "Electric", "Hollow", "Paper", "Midnight", "Crimson", "Quiet",
    "Velvet", "Northern", "Salt", "Wild", "Glass", "Secret", "Lonely", "Burning", "Frozen", "Little",
    "Second", "Open", "Summer", "Winter", "Last", "Early", "Blue", "Green", "White", "Black", "Slow",
    "Sudden", "Endless", "Gentle", "Restless", "Borrowed", "Hidden", "Iron", "Honest", "Faded",
)
TITLE_NOUNS = (
    "Harbour", "Letters", "River", "Engine", "Garden", "Mirror", "Station", "Thunder", "Lanterns", "Avenue",
    "Signal", "Orchard", "Shadow", "Bridges", "Winter", "Cathedral", "Sparrow", "Horizon", "Tide",
    "Machine", "Parade", "Compass", "Window", "Rain", "Fever", "Voices", "Hearts", "Mountain", "Satellite",
    "Carousel", "Highway", "Embers", "Island", "Circus", "Diary", "Fields", "Kingdom", "Echo", "Anchor",
    "Wolves", "Dancer", "Gravity", "Postcard", "Radio", "Morning", "Sailor", "Temple", "Crowd", "Fountain",
    "Promise",
)
TITLE_ENDINGS = (
    "", "", "", "", " Tonight", " Again", " of Mine", " in the Dark", " Forever", " Song", " for Two",
    " at Dawn", " - Live", " - Remastered", " (Acoustic)", " Blues", " Without You", " on the Wall",
    " Goes On", " Interlude",
)
# fmt: on


@dataclass(frozen=True)
class Genres:
    """All genres.

    Attributes:
        names: Genre names, several hundred.
        style: Index into `STYLES` of each genre, shape (n_genres,).
    """

    names: tuple[str, ...]
    style: NDArray[np.int64]


def genres() -> Genres:
    """Returns every genre: each style bare, with each place, and with each adjective of its kind."""
    names: list[str] = []
    style: list[int] = []
    for index, family in enumerate(STYLES):
        words = ("", *PLACES, *ADJECTIVES[family.kind])
        names += [f"{word} {family.name}".strip() for word in words]
        style += [index] * len(words)
    return Genres(tuple(names), np.array(style))
