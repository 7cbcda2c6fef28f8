"""How large each block of a network's inputs is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockWeights:
    """Size of each block's inputs: what is larger is learnt sooner and penalised less by weight decay.

    Attributes:
        track_genres: Of a track's cluster, which is this or 0.
        audio: Standard deviation of an audio attribute's score; unused by a model without audio.
        listener_genres: Of a listener's cluster, which is this or 0.
    """

    track_genres: float
    audio: float
    listener_genres: float
