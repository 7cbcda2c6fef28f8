"""Features: from genre names and audio attributes to a network's inputs, the same in training and serving."""

from models.features.context import ContextEncoder
from models.features.genres import GenreEncoder
from models.features.history import ContextSettings, TrackViews
from models.features.inputs import InputEncoder, track_views
from models.features.scores import NormalScores

__all__ = [
    "ContextEncoder",
    "ContextSettings",
    "GenreEncoder",
    "InputEncoder",
    "NormalScores",
    "TrackViews",
    "track_views",
]
