"""The one error that the trainer raises for input it cannot train on."""


class TrainingError(Exception):
    """Says in one line why a training run cannot start or go on."""
