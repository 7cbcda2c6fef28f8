"""The generator from end to end: catalogue, listeners, then one listener's sessions after the other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.atomic_write import atomic_folder
from data.errors import DataError
from data.generator.catalogue import Artists, Tracks, make_artists, make_tracks
from data.generator.jsonl import event_lines, write_rows
from data.generator.listeners import FIRST_LISTENER_ID, Listeners, make_listeners
from data.generator.sessions import Listening
from data.generator.timeline import RECORDING_DAYS, TooManyPlaysError
from data.generator.vocabulary import Genres, genres
from data.schema import (
    ARTISTS,
    DATASET_FILES,
    SESSIONS,
    STORAGE_COST_PER_MINUTE,
    TRACK_STORAGE,
    TRACKS,
    USERS,
)

FIRST_SESSION_ID = 124


def generate(
    directory: Path,
    *,
    listeners: int = 50,
    tracks: int = 5000,
    plays: int = 12000,
    seed: int = 42,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Writes a synthetic data set; equal arguments give equal bytes.

    Listeners have a latent taste over styles and audio features that follows from their favourite genres and
    drives their skips and likes. Memory does not grow with the number of plays.

    Args:
        directory: Folder to write; an older data set there is replaced, anything else is left alone.
        listeners: Number of listeners, at least 1.
        tracks: Number of tracks, at least 1.
        plays: Number of PLAY events, at least 1.
        seed: Seed of all randomness, at least 0.
        progress: Is called with the number of plays written since the last call.

    Raises:
        ValueError: A number is too small.
        DataError: The folder holds something else, or cannot be written; or it would hold more plays than its
            listeners can make in the time that is recorded.
    """
    if min(listeners, tracks, plays) < 1 or seed < 0:
        raise ValueError("listeners, tracks and plays must be at least 1, and seed at least 0")
    catalogue_seed, listener_seed, session_seed = np.random.SeedSequence(seed).spawn(3)
    all_genres = genres()
    ours = [contract.file_name for contract in DATASET_FILES]
    with atomic_folder(directory, "data set", ours) as folder:
        rng = np.random.default_rng(catalogue_seed)
        artists = make_artists(rng, all_genres, tracks)
        made = make_tracks(rng, all_genres, artists, tracks)
        _write_catalogue(folder, all_genres, artists, made)
        crowd = make_listeners(np.random.default_rng(listener_seed), all_genres, listeners, plays)
        _write_listeners(folder / USERS.file_name, all_genres, crowd)
        listening = Listening(made, artists.style[made.artist], crowd)
        try:
            _write_sessions(
                folder / SESSIONS.file_name, listening, made.ids, session_seed, listeners, progress
            )
        except TooManyPlaysError as error:
            problem = f"{plays:,} plays of {listeners:,} listeners last longer than {RECORDING_DAYS} days"
            raise DataError(
                directory, None, None, f"{problem}: ask for more listeners or fewer plays"
            ) from error


def _write_catalogue(folder: Path, all_genres: Genres, artists: Artists, tracks: Tracks) -> None:
    genre_names = [[all_genres.names[g] for g in of_artist] for of_artist in artists.genres]
    write_rows(folder / ARTISTS.file_name, {"id": artists.ids, "name": artists.names, "genres": genre_names})
    attributes = {name: values.tolist() for name, values in tracks.attributes.items()}
    id_artist = [artists.ids[row] for row in tracks.artist.tolist()]
    columns = {"id": tracks.ids, "name": tracks.names, "id_artist": id_artist, **attributes}
    write_rows(folder / TRACKS.file_name, {name: columns[name] for name in TRACKS.columns})
    storage = [_storage_class(popularity) for popularity in attributes["popularity"]]
    minutes = [duration_ms / 60_000 for duration_ms in attributes["duration_ms"]]
    cost = [STORAGE_COST_PER_MINUTE[s] * m for s, m in zip(storage, minutes, strict=True)]
    write_rows(
        folder / TRACK_STORAGE.file_name,
        {"track_id": tracks.ids, "storage_class": storage, "daily_cost": cost},
    )


def _storage_class(popularity: int) -> str:
    """Returns where a track is stored: the popular ones on faster storage, with v2's thresholds."""
    return "FAST" if popularity > 90 else "MEDIUM" if popularity > 70 else "SLOW"


def _write_listeners(path: Path, all_genres: Genres, crowd: Listeners) -> None:
    columns = {
        "user_id": range(FIRST_LISTENER_ID, FIRST_LISTENER_ID + len(crowd.names)),
        "name": crowd.names,
        "city": crowd.cities,
        "street": crowd.streets,
        "favourite_genres": [[all_genres.names[g] for g in row] for row in crowd.favourites.tolist()],
        "premium_user": crowd.premium.tolist(),
    }
    write_rows(path, columns)


def _write_sessions(
    path: Path,
    listening: Listening,
    track_ids: list[str],
    seed: np.random.SeedSequence,
    n_listeners: int,
    progress: Callable[[int], None] | None,
) -> None:
    """Writes listener after listener, each with a random stream of its own."""
    session_id = FIRST_SESSION_ID
    with path.open("w", encoding="ascii", newline="\n") as file:
        for listener in range(n_listeners):
            first_session_id = session_id
            for block in listening.blocks(np.random.default_rng(seed.spawn(1)[0]), listener):
                file.write(event_lines(block, FIRST_LISTENER_ID + listener, first_session_id, track_ids))
                session_id = first_session_id + int(block.session[-1]) + 1
                if progress is not None:
                    progress(block.n_plays)
