"""The artifact: one folder a model version, written in one piece and safe to load from a stranger."""

from models.artifact.contents import Layer
from models.artifact.folder import FILES, SAVING, Artifact, ArtifactError, load, save
from models.artifact.manifest import Manifest

__all__ = ["FILES", "SAVING", "Artifact", "ArtifactError", "Layer", "Manifest", "load", "save"]
