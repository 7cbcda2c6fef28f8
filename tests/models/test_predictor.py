"""The NumPy predictor answers what the trained torch network would, whatever it is asked."""

import gc
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from data import Catalogue
from models import (
    Artifact,
    ArtifactError,
    ListenerContext,
    Predictor,
    RecentPlay,
    UnknownTrackError,
    load_predictor,
)
from models.artifact import save
from models.features.inputs import raw_audio, raw_chunks
from models.features.normal_scores import fit_normal_scores
from models.features.track_views import track_views
from models.first_layer import FirstLayer
from models.networks import Advanced, HalfDropout, Simple
from tests.paths import ROOT

LISTENERS = [["rock", "k-pop"], ["desi pop"], ["never heard of it"], []]


@pytest.mark.parametrize("network_class", [Simple, Advanced])
def test_predictions_equal_the_torch_network_in_eval_mode(
    network_class: type[nn.Module], tiny_artifact: Artifact, tiny_catalogue: Catalogue
) -> None:
    torch.set_num_threads(1)
    encoder = tiny_artifact.inputs
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = network_class(encoder.n_inputs).eval()
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    layers = tuple((layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in linear)
    predictor = Predictor(replace(tiny_artifact, layers=layers), tiny_catalogue)
    tracks = encoder.encode_tracks(tiny_catalogue.tracks)
    for favourites in LISTENERS:
        listener = np.tile(encoder.encode_listener(favourites), (len(tracks), 1))
        with torch.no_grad():
            outputs = network(torch.from_numpy(np.hstack([tracks, listener])))
        expected = torch.softmax(outputs, dim=1)[:, 1].numpy()  # Class 1 is played through.
        np.testing.assert_allclose(
            predictor.predict(tiny_catalogue.track_ids, favourites), expected, atol=1e-5
        )


def test_half_dropout_drops_half_doubles_the_rest_and_rests_in_eval_mode() -> None:
    layer = HalfDropout()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = layer(torch.ones(100_000))
    assert set(dropped.tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert layer.eval()(torch.ones(3)).tolist() == [1, 1, 1]


def test_the_artifact_alone_rebuilds_the_predictor(
    tiny_artifact: Artifact, saved_artifact: Path, tiny_catalogue: Catalogue
) -> None:
    before, after = Predictor(tiny_artifact, tiny_catalogue), load_predictor(saved_artifact, tiny_catalogue)
    assert (after.name, after.version, after.threshold) == ("tiny", "1", 0.5)
    assert after.required_inputs == ("track_id", "favourite_genres")
    assert after.metrics == {"accuracy": 0.75}
    for favourites in LISTENERS:
        np.testing.assert_array_equal(
            after.predict(["d", "a", "a"], favourites), before.predict(["d", "a", "a"], favourites)
        )


def test_order_repetition_and_context_do_not_change_a_prediction(
    tiny_artifact: Artifact, tiny_catalogue: Catalogue
) -> None:
    predictor = Predictor(tiny_artifact, tiny_catalogue)
    context = ListenerContext(premium=True, recent_plays=(RecentPlay("zzz", skipped=True),))
    together = predictor.predict(["c", "a", "c"], ["rock", "desi pop"], context)
    alone = [predictor.predict([track_id], ["desi pop", "rock", "rock"])[0] for track_id in ("c", "a", "c")]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float64
    assert predictor.predict([], ["rock"]).shape == (0,)


def test_listener_and_track_both_matter(tiny_artifact: Artifact, tiny_catalogue: Catalogue) -> None:
    predictor = Predictor(tiny_artifact, tiny_catalogue)
    grid = [predictor.predict(["a", "b"], favourites) for favourites in (["rock"], ["desi pop"])]
    assert len(np.unique(np.round(grid, 6))) == 4


def test_extreme_networks_and_attributes_never_answer_nan(
    tiny_artifact: Artifact, tiny_catalogue: Catalogue
) -> None:
    layers = tuple((weight * 1e3, bias) for weight, bias in tiny_artifact.layers)
    odd = pd.concat([tiny_catalogue.tracks] * 2, ignore_index=True)
    odd["id"] = [f"t{row}" for row in range(len(odd))]
    odd["tempo"] = [np.nan, np.inf, -np.inf, 1e300, -1e300, 0, 1, 2]
    predictor = Predictor(replace(tiny_artifact, layers=layers), Catalogue(odd))
    for favourites in LISTENERS:
        found = predictor.predict(predictor.track_ids, favourites)
        assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("context", [None, ListenerContext(recent_plays=(RecentPlay("a", skipped=True),))])
def test_one_track_is_predicted_as_among_others(
    tiny_artifact: Artifact, tiny_catalogue: Catalogue, context: ListenerContext | None
) -> None:
    predictor = Predictor(tiny_artifact, tiny_catalogue)
    for favourites in LISTENERS:
        among = predictor.predict(tiny_catalogue.track_ids, favourites, context)
        alone = [predictor.predict_one(one, tuple(favourites), context) for one in tiny_catalogue.track_ids]
        np.testing.assert_allclose(alone, among, atol=1e-6)
    with pytest.raises(UnknownTrackError, match="'nowhere'"):
        predictor.predict_one("nowhere", ())


def test_unknown_tracks_are_named(tiny_artifact: Artifact, tiny_catalogue: Catalogue) -> None:
    predictor = Predictor(tiny_artifact, tiny_catalogue)
    assert predictor.knows("a")
    assert not predictor.knows("x")
    with pytest.raises(UnknownTrackError, match="unknown track: 'x', 'y'") as caught:
        predictor.predict(["a", "x", "b", "y"], ["rock"])
    assert caught.value.track_ids == ("x", "y")


def test_a_catalogue_without_the_models_attributes_is_refused(
    saved_artifact: Path, tiny_catalogue: Catalogue
) -> None:
    with pytest.raises(ArtifactError, match="the catalogue lacks what the model needs: tempo"):
        load_predictor(saved_artifact, Catalogue(tiny_catalogue.tracks.drop(columns="tempo")))


def with_scores(artifact: Artifact, catalogue: Catalogue) -> Artifact:
    """Returns the artifact with audio attributes on a normal scale, as trained ones have them."""
    inputs = artifact.inputs
    audio = raw_audio(inputs.audio, catalogue.tracks)
    return replace(artifact, inputs=replace(inputs, scores=fit_normal_scores(audio)))


def test_a_catalogue_in_several_chunks_is_encoded_as_in_one(
    tiny_artifact: Artifact, tiny_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = with_scores(tiny_artifact, tiny_catalogue)

    def encode() -> tuple[int, list[np.ndarray], np.ndarray]:
        """Returns how often others were let through, the encoded tracks, and what is predicted of them."""
        given_way: list[None] = []
        predictor = Predictor(artifact, tiny_catalogue, lambda: given_way.append(None))
        views = track_views(artifact.inputs, tiny_catalogue.tracks)
        tracks = artifact.inputs.encode_tracks(tiny_catalogue.tracks)
        encoded: list[np.ndarray] = [tracks, views.audio, views.genres]
        return len(given_way), encoded, predictor.predict(tiny_catalogue.track_ids, ["rock"])

    n_expected, expected, predicted = encode()
    monkeypatch.setattr("models.features.inputs._TRACKS_AT_ONCE", 3)
    n_found, found, predicted_in_chunks = encode()
    assert (n_expected, n_found) == (1, 2)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(predicted_in_chunks, predicted, rtol=1e-6)  # products of other shapes


def test_encoding_tracks_leaves_their_raw_rows_as_they_are(
    tiny_artifact: Artifact, tiny_catalogue: Catalogue
) -> None:
    inputs = with_scores(tiny_artifact, tiny_catalogue).inputs
    ((_, raw),) = raw_chunks(inputs.genres, inputs.audio, tiny_catalogue.tracks)
    before = raw.copy()
    inputs.track_block(raw)
    np.testing.assert_array_equal(raw, before)


def test_threads_get_what_one_thread_gets(tiny_artifact: Artifact, tiny_catalogue: Catalogue) -> None:
    predictor = Predictor(tiny_artifact, tiny_catalogue)
    asked = LISTENERS * 50
    expected = [predictor.predict(tiny_catalogue.track_ids, favourites).tolist() for favourites in asked]
    fresh = Predictor(tiny_artifact, tiny_catalogue)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda f: fresh.predict(tiny_catalogue.track_ids, f).tolist(), asked))
    assert found == expected


def test_a_replaced_predictor_is_gone_at_once(tiny_artifact: Artifact, tiny_catalogue: Catalogue) -> None:
    """A server freezes its garbage collector after loading: a reference cycle would keep old versions."""
    gc.collect()
    gc.disable()
    try:
        predictor = Predictor(tiny_artifact, tiny_catalogue)
        predictor.predict_all(["rock"])
        predictor.predict(["a"], ["rock"], ListenerContext(premium=True))
        parts = (predictor, predictor._first, predictor._forward)
        watched: list[weakref.ref[object]] = [weakref.ref(part) for part in parts]
        del predictor, parts
        assert [reference() for reference in watched] == [None] * 3
    finally:
        gc.enable()


def test_serving_needs_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, models; print([m for m in ('torch', 'sklearn', 'imblearn') if m in sys.modules])"
    root = ROOT
    done = run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_contexts_features_are_made_of_some_tracks_at_a_time(
    knowing_artifact: Artifact, mood_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a large catalogue's at once would take hundreds of megabytes."""
    predictor = Predictor(knowing_artifact, mood_catalogue)
    context = ListenerContext(premium=True, recent_plays=(RecentPlay("t3", skipped=True),))
    expected = [predictor.predict(predictor.track_ids, favourites, context) for favourites in LISTENERS]
    widths: list[int] = []
    of = FirstLayer.of

    def spied(self: FirstLayer, rows: NDArray[np.int64], *rest: Any) -> NDArray[np.float32]:
        widths.append(len(rows))
        return of(self, rows, *rest)

    monkeypatch.setattr("models.predictor._ROWS_AT_ONCE", 25)
    monkeypatch.setattr(FirstLayer, "of", spied)
    found = [predictor.predict_all(favourites, context) for favourites in LISTENERS]
    assert widths == [25, 25, 10] * len(LISTENERS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_model_that_takes_a_text_for_a_number_is_refused(tiny_artifact: Artifact, tmp_path: Path) -> None:
    tracks = pd.DataFrame({"id": ["a"], "duration_ms": [1_000], "tempo": ["fast"], "genres": [[]]})
    save(tiny_artifact, tmp_path / "tiny" / "1")
    with pytest.raises(ArtifactError, match="numbers where the catalogue has none: tempo"):
        load_predictor(tmp_path / "tiny" / "1", Catalogue(tracks))
