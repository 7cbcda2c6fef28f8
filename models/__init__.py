"""What training and serving share: features, the artifact format, the registry and the predictor."""

from models.artifact import Artifact, ArtifactError, Manifest
from models.context import ListenerContext, RecentPlay
from models.predictor import Predictor, UnknownTrackError, load_predictor
from models.registry import Registry

__all__ = [
    "Artifact",
    "ArtifactError",
    "ListenerContext",
    "Manifest",
    "Predictor",
    "RecentPlay",
    "Registry",
    "UnknownTrackError",
    "load_predictor",
]
