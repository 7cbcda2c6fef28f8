"""A model's folder of which one file was changed: refused in a line, or it serves and answers in range.

An input's first byte says which file, the others are its content. The manifest has the right checksums, so
that what is behind them is reached.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from safetensors import SafetensorError

from data import Catalogue
from models import ArtifactError, ListenerContext, Manifest, RecentPlay, load_predictor
from models.artifact import FILES, Artifact, Layer, save
from models.features import ContextEncoder, GenreEncoder, InputEncoder, NormalScores
from models.features.genre_taste import GenrePlaces, GenreTaste
from models.features.history import CONTEXT_SETTINGS, HISTORY
from models.features.known_favourites import fit_known_favourites
from tests.fuzz.formats import with_odd_array, with_odd_value
from tests.fuzz.one_line import check_refusal

MODULES = ("models.artifact", "models.features", "models.calibration", "models.listening_curve")

_CATALOGUE = Catalogue(
    pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "tempo": [120.0, np.nan, 1e300],
            "duration_ms": [180_000, 240_000, 1],
            "genres": [["rock", "hard rock"], [], ["jazz"]],
        }
    )
)
_CONTEXT = ListenerContext(True, (RecentPlay("a", True), RecentPlay("x", False)), False, 2**31 - 1)
_ASKED: tuple[tuple[tuple[str, ...], ListenerContext | None], ...] = (
    ((), None),
    (("rock",), ListenerContext()),
    (("jazz", "no such genre"), _CONTEXT),
    (("rock",), _CONTEXT),
)


def seeds() -> dict[str, bytes]:
    """Returns the inputs that change nothing, one a file."""
    return {f"unchanged-{Path(name).stem}": bytes([n]) + _files()[name] for n, name in enumerate(FILES)}


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding; it writes below a folder."""
    version = folder / "tiny" / "1"
    version.mkdir(parents=True)
    for name, content in _files().items():
        (version / name).write_bytes(content)

    def check(content: bytes) -> None:
        changed = FILES[content[0] % len(FILES)] if content else FILES[0]
        for name, new in _changed(changed, content[1:]).items():
            (version / name).write_bytes(new)
        try:
            predictor = load_predictor(version, _CATALOGUE)
        except ArtifactError as error:
            check_refusal(error)
            return
        finally:
            for name in {changed, FILES[0]}:
                (version / name).write_bytes(_files()[name])
        for genres, context in _ASKED:
            all_tracks = predictor.predict_all(genres, context)
            one = predictor.predict_one("a", genres, context)
            curves = predictor.curves_of(predictor.track_ids, all_tracks, (0.0, 1.0, 1e9))
            for probabilities in (all_tracks, curves, one):
                found = np.asarray(probabilities)
                assert ((found >= 0) & (found <= 1)).all(), found

    yield check


def mutate(content: bytes, random: Random) -> bytes:
    """Returns an input whose file is as well formed as before, with a value or an array changed."""
    if random.random() < 0.3:  # libFuzzer forgets a file whose decoder is not Python: it sees no branch of it
        content = random.choice(sorted(seeds().values()))
    which, rest = content[:1] or b"\0", content[1:]
    try:
        if FILES[which[0] % len(FILES)].endswith(".json"):
            return which + with_odd_value(rest, random)
        return which + with_odd_array(rest, random)
    except (SafetensorError, ValueError, OverflowError, RecursionError):
        return b""


def _changed(name: str, content: bytes) -> dict[str, bytes]:
    """Returns the files that differ when one has other content: itself, and the manifest for its checksum."""
    if name == FILES[0]:
        return {name: content}
    manifest = json.loads(_files()[FILES[0]])
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    return {name: content, FILES[0]: json.dumps(manifest).encode()}


@cache
def _files() -> dict[str, bytes]:
    """Returns the files of a tiny model of every part that there is, as `save` writes them."""
    with TemporaryDirectory() as folder:
        save(_artifact(), Path(folder) / "tiny" / "1")
        return {name: (Path(folder) / "tiny" / "1" / name).read_bytes() for name in FILES}


def _artifact() -> Artifact:
    genres = GenreEncoder(
        {"rock": 0, "hard rock": 0, "jazz": 1},
        ("hard", "jazz", "rock"),
        np.array([1.7, 1.7, 1.3]),
        np.full(3, 0.3),
        np.array([[0.1, -0.8, 0.6]]),
        np.array([[0.4], [-0.7]]),
    )
    ones = np.ones(len(HISTORY))
    inputs = InputEncoder(
        genres,
        ("tempo",),
        np.zeros(5),
        np.ones(5),
        NormalScores(np.array([[60.0, 120.0, 180.0]])),
        ContextEncoder(0.6, np.ones(1), 0 * ones, ones, ones, 1.0, CONTEXT_SETTINGS),
        fit_known_favourites([["rock"]]),
        GenreTaste(GenrePlaces(genres, np.array([[0.1], [0.2], [0.3]])), np.full(2, 0.1), np.full(2, 0.3)),
    )
    widths = pairwise((inputs.n_inputs, 3, 2))
    layers: tuple[Layer, ...] = tuple(
        (
            np.linspace(-1, 1, n_out * n_in, dtype=np.float32).reshape(n_out, n_in),
            np.full(n_out, 0.1, np.float32),
        )
        for n_in, n_out in widths
    )
    manifest = Manifest(
        name="tiny",
        version="1",
        description="A model of random weights.",
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        data_digest="0" * 64,
        features={},
        split={},
        recipe={},
        required_inputs=("track_id",),
        metrics={"log_loss": 0.6},
    )
    return Artifact(manifest, inputs, layers)
