"""The tuned recipe: what is known of listeners and genres becomes inputs, and a network is fitted on them."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from data import Catalogue
from models.artifact import Layer
from models.features import GenreEncoder, InputEncoder, track_views
from models.features.context_encoder import fit_context
from models.features.genre_taste import GenreTaste, fit_places
from models.features.genre_tfidf import single_out
from models.features.inputs import fit_weighted_inputs
from models.features.known_favourites import fit_known_favourites
from trainer.contexts import RecordedContexts
from trainer.descent import Fitted, OnEpoch
from trainer.folds import draw_folds
from trainer.network_fit import fit_tuned
from trainer.options import Options
from trainer.play_encoder import PlayEncoder
from trainer.recipes import TunedRecipe
from trainer.splits import Parts
from trainer.taste import Strangers, fit_taste

_MOST_PLAYS_FOR_TASTE = 50_000


def train_tuned(
    recipe: TunedRecipe, genres: GenreEncoder, parts: Parts, options: Options, on_epoch: OnEpoch
) -> tuple[InputEncoder, Fitted]:
    """Fits the encoder and the network on the training part."""
    catalogue, plays, seed = parts.dataset.catalogue, parts.training_in_time, options.seed
    contexts = RecordedContexts(parts.plays, catalogue)
    folds = draw_folds(plays, options.split, recipe.n_folds, seed)
    single = single_out(genres, chain(*plays["favourite_genres"]))
    encoder = fit_encoder(recipe, single, catalogue, plays, contexts)
    play_encoder = PlayEncoder(encoder, catalogue, contexts, plays, options.device)
    examples = play_encoder.encode(seed=seed)
    imagined = play_encoder.imagine(examples, copies=recipe.imagined_copies, seed=seed)
    with threadpool_limits(1):  # a batch is small: threads that share one spend their time waiting
        fitted = fit_tuned(examples, folds, recipe, imagined=imagined, seed=seed, on_epoch=on_epoch)
    return replace(encoder, taste=_fit_taste(encoder, fitted, catalogue, plays, seed)), fitted


def fit_encoder(
    recipe: TunedRecipe,
    genres: GenreEncoder,
    catalogue: Catalogue,
    plays: pd.DataFrame,
    contexts: RecordedContexts,
) -> InputEncoder:
    """Fits the encoder, but for the taste, which comes after the network.

    Args:
        recipe: How to train; says which blocks there are.
        genres: Fitted genre encoder, favourites singled out.
        catalogue: Has every track of the plays.
        plays: Training part, in time order; the index is that of all plays.
        contexts: What was known before each of all plays.
    """
    rows = np.array(plays["track_id"].map(catalogue.row_of), dtype=np.int64)
    encoder = fit_weighted_inputs(genres, recipe.audio, catalogue.tracks.iloc[rows], recipe.weights)
    sets = map(genres.meaningful, {tuple(favourites) for favourites in plays["favourite_genres"]})
    encoder = replace(encoder, known=fit_known_favourites(sets))
    if not recipe.context_weights:
        return encoder
    positions = plays.index.to_numpy(dtype=np.int64)
    context = fit_context(
        track_views(encoder, catalogue.tracks),
        rows,
        ~plays["skipped"].to_numpy(dtype=bool),
        pd.factorize(plays["listener_id"], sort=True)[0],
        lambda some: contexts.histories(positions[some]),
        recipe.context_weights,
    )
    return replace(encoder, context=context)


def _fit_taste(
    encoder: InputEncoder, fitted: Fitted, catalogue: Catalogue, plays: pd.DataFrame, seed: int
) -> GenreTaste:
    """Fits what favourite genres add where the network knows nothing of the listener."""
    audio = track_views(encoder, catalogue.tracks).audio.astype(np.float64)
    places = fit_places(encoder.genres, catalogue.tracks["genres"], audio)
    if len(plays) > _MOST_PLAYS_FOR_TASTE:
        plays = plays.sample(_MOST_PLAYS_FOR_TASTE, random_state=seed)
    listener_of, ids = pd.factorize(plays["listener_id"], sort=True)
    favourites = plays.groupby("listener_id", sort=True)["favourite_genres"].first()
    rows = plays["track_id"].map(catalogue.row_of).to_numpy(dtype=np.int64)
    logits = _logits_of_anyone(encoder.encode_tracks(catalogue.tracks), fitted.layers)
    strangers = Strangers(
        logits[rows],
        ~plays["skipped"].to_numpy(dtype=bool),
        listener_of,
        np.vstack([places.of_genres(favourites[listener]) for listener in ids]),
        places.of_tracks(catalogue.tracks["genres"].iloc[rows], audio[rows]),
    )
    return fit_taste(places, strangers, seed=seed)


def _logits_of_anyone(tracks: NDArray[np.float32], layers: tuple[Layer, ...]) -> NDArray[np.float64]:
    """Returns the log odds of tracks, (n_tracks,), where nothing is known of the listener.

    All inputs but the track's are 0 then.
    """
    (weight, bias), *rest = layers
    values = tracks @ weight[:, : tracks.shape[1]].T + bias
    for weight, bias in rest:
        values = np.maximum(values, 0) @ weight.T + bias
    logits: NDArray[np.float64] = (values[:, 1] - values[:, 0]).astype(np.float64)
    return logits
