"""Generator of synthetic Pozytywka data sets, close to the real release in every published figure."""

from data.generator.generation import generate

__all__ = ["generate"]
