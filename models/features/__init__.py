"""Features: from genre names and audio attributes to a network's inputs, the same in training and serving."""

from models.features.context_encoder import ContextEncoder
from models.features.genre_tfidf import GenreEncoder
from models.features.history import ContextSettings
from models.features.inputs import BlockWeights, InputEncoder
from models.features.normal_scores import NormalScores
from models.features.track_views import TrackViews, track_views

__all__ = [
    "BlockWeights",
    "ContextEncoder",
    "ContextSettings",
    "GenreEncoder",
    "InputEncoder",
    "NormalScores",
    "TrackViews",
    "track_views",
]
