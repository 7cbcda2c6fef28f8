"""The one error that the trainer raises for input it cannot train on."""


class TrainingError(Exception):
    """A training run cannot start or go on; its text is one line."""
