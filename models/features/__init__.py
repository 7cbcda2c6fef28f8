"""Features: from genre names and audio attributes to a network's inputs, the same in training and serving."""

from models.features.genres import GenreEncoder
from models.features.inputs import InputEncoder

__all__ = ["GenreEncoder", "InputEncoder"]
