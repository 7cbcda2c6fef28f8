"""What a server's models say of each offer when it comes up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cache_client.laboratory_errors import UsageError
from cache_client.prefetch.plan import TrackPrediction
from cache_client.prefetch.queue import predict_queue
from cache_client.rationed.offers import Offer
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.messages import Model, ModelList
from cache_client.simulator.concurrency import map_concurrently

Predicted = list[TrackPrediction | None]
"""By offer; None where the model does not know the track."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a server's models say.

    Attributes:
        by_model: By the model's name, for each offer.
        versions: Version by the model's name.
        advisor: Name of the model that the advisor asks.
    """

    by_model: dict[str, Predicted]
    versions: dict[str, str]
    advisor: str


def serving_models(listed: ModelList, advisor: str) -> list[Model]:
    """Returns the models that answer requests which name no version, the advisor's first.

    Args:
        listed: What the server has.
        advisor: Name of the model that the advisor is to ask; empty for the default one.

    Raises:
        UsageError: The server does not serve that model.
    """
    serving = [it for it in listed.models if it.state == "serving"]
    chosen = [it for it in serving if (it.name == advisor if advisor else it.is_default)]
    if not chosen:
        raise UsageError(
            f"the server serves no model {advisor!r}" if advisor else "the server has no default model"
        )
    return [*chosen, *(it for it in serving if it not in chosen)]


async def predict_offers(
    client: PredictionClient,
    offers: Sequence[Offer],
    models: Sequence[Model],
    *,
    concurrency: int = 16,
    advance: Callable[[int], None] = lambda offers: None,
) -> Predictions:
    """Asks each model for each offer's track, with what a client would know then.

    Args:
        client: The prediction server.
        offers: The offers.
        models: The models to ask, the advisor's first.
        concurrency: How many calls may be under way at once.
        advance: Called with 1 after each call.

    Raises:
        ServerError: A call failed; the rest is not awaited.
    """

    async def of_model(model: Model) -> Predicted:
        async def predict(offer: Offer) -> TrackPrediction | None:
            known = offer.favourite_genres, offer.context
            found = await predict_queue(client, [offer.track_id], *known, model=model.name, fitted=False)
            return found.tracks.get(offer.track_id)

        return await map_concurrently(predict, offers, concurrency, advance)

    by_model = {model.name: await of_model(model) for model in models}
    return Predictions(by_model, {model.name: model.version for model in models}, models[0].name)
