"""The served encoders compute what scikit-learn fitted, and take any input."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from data import Catalogue
from models import Artifact
from models.artifact import load
from models.features import GenreEncoder
from models.features.inputs import fit_inputs


def test_inputs_are_standardised_like_scikit_learn_does(genre_encoder: GenreEncoder) -> None:
    tracks = pd.DataFrame({"genres": [["rock"], ["k-pop"], []], "tempo": [100.0, np.nan, 140.0]})
    plays = pd.DataFrame({"favourite_genres": [["rock", "k-pop"], [], ["desi pop"]]})
    encoder = fit_inputs(genre_encoder, ("tempo",), tracks, plays)
    n = genre_encoder.n_clusters
    raw = np.zeros((3, 2 * n + 1))
    for row, names in enumerate(tracks["genres"]):
        raw[row, genre_encoder.clusters(names)] = 1
    raw[:, n] = tracks["tempo"]
    for row, favourites in enumerate(plays["favourite_genres"]):
        raw[row, [n + 1 + cluster for cluster in genre_encoder.clusters(favourites)]] = 1
    expected = np.nan_to_num(StandardScaler().fit_transform(raw))
    found = [
        np.append(track, encoder.encode_listener(favourites))
        for track, favourites in zip(encoder.encode_tracks(tracks), plays["favourite_genres"], strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_missing_and_absurd_attributes_stay_finite(genre_encoder: GenreEncoder) -> None:
    good = pd.DataFrame({"genres": [["rock"], []], "tempo": [100.0, 120.0]})
    plays = pd.DataFrame({"favourite_genres": [["rock"], []]})
    encoder = fit_inputs(genre_encoder, ("tempo",), good, plays)
    bad = pd.DataFrame({"genres": [[], []], "tempo": [np.inf, 1e300]})
    assert np.isfinite(encoder.encode_tracks(bad)).all()
    nothing = fit_inputs(genre_encoder, ("tempo",), good.assign(tempo=np.nan), plays)
    assert np.isfinite(nothing.encode_tracks(good)).all()


def test_the_encoder_read_back_encodes_the_same(
    tiny_artifact: Artifact, saved_artifact: Path, tiny_catalogue: Catalogue
) -> None:
    before, after = tiny_artifact.inputs, load(saved_artifact).inputs
    np.testing.assert_array_equal(
        after.encode_tracks(tiny_catalogue.tracks), before.encode_tracks(tiny_catalogue.tracks)
    )
    for favourites in (["rock", "acid rock"], ["nothing known"], [], ["POP"]):
        np.testing.assert_array_equal(after.encode_listener(favourites), before.encode_listener(favourites))
