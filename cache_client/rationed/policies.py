"""What each policy finds an offer worth, by what the bytes are to buy. None of them knows the future."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cache_client.prefetch.listener import listener_rate, listener_record
from cache_client.prefetch.plan import Objective, TrackPrediction, UpcomingTrack
from cache_client.prefetch.ration import worth
from cache_client.rationed.offers import Offer
from cache_client.rationed.predictions import Predicted

Worths = NDArray[np.float64]
Policy = Callable[[Objective], Worths]
"""Returns the worth of each offer, (n_offers,): more is better, and only its order counts."""


def policies(offers: Sequence[Offer], predicted: Mapping[str, Predicted], advisor: str) -> dict[str, Policy]:
    """Returns the policies by name, but for `random`, which is drawn, and the oracle.

    - `shortest`: the smaller the track, the better.
    - `past-rate`: every track is heard out as often as the listener hears out.
    - `replays`: how many of the listener's recent plays are of this very track and were heard out; among
      equals, and so for most, the past rate. Per MB where plays are to be bought.
    - each model: its probability, with skips spread evenly over the track.
    - `advisor`: the product's rule, on the listening curve of one of the models.

    Args:
        offers: The offers.
        predicted: Each model's predictions.
        advisor: The model that the advisor asks; empty for no advisor.
    """
    rates = [listener_rate(listener_record(it.context)) for it in offers]
    rated = [TrackPrediction(rate) for rate in rates]
    replayed = [TrackPrediction(_replays(it) + rate) for it, rate in zip(offers, rates, strict=True)]
    found: dict[str, Policy] = {
        "shortest": lambda objective: np.array([1e6 / it.size_bytes for it in offers]),
        "past-rate": lambda objective: _worths(offers, rated, objective),
        "replays": lambda objective: _worths(offers, replayed, objective),
    }
    for name, of_model in predicted.items():
        flat = [
            rate if it is None else TrackPrediction(it.play_through_probability)
            for it, rate in zip(of_model, rated, strict=True)
        ]
        found[name] = lambda objective, flat=flat: _worths(offers, flat, objective)  # type: ignore[misc]
    if advisor:
        curved = [rate if it is None else it for it, rate in zip(predicted[advisor], rated, strict=True)]
        found["advisor"] = lambda objective: _worths(offers, curved, objective)
    return found


def _worths(offers: Sequence[Offer], predictions: Sequence[TrackPrediction], objective: Objective) -> Worths:
    """Returns the product's worth of whole tracks."""
    tracks = (
        UpcomingTrack(offer.track_id, offer.duration_s, offer.size_bytes, None, 0, *prediction)
        for offer, prediction in zip(offers, predictions, strict=True)
    )
    return np.array([worth(track, objective) for track in tracks])


def _replays(offer: Offer) -> int:
    recent = offer.context.recent_plays
    return sum(play.track_id == offer.track_id and not play.skipped for play in recent)
