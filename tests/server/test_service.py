from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from data import Catalogue
from models import UnknownTrackError as UnknownTrack
from models.context import ListenerContext
from server.catalogue_tracks import CatalogueTracks
from server.errors import InvalidRequestError, UnknownModelError, UnknownTrackError
from server.experiment.assignment import Arm, Experiment
from server.loaded_models import LoadedModel, LoadedModels
from server.log.record import Outcome, PredictionRecord
from server.service import Prediction, PredictionService


class FakePredictor:
    """Knows four tracks and answers a fixed probability for each."""

    description = "A fake."
    required_inputs: tuple[str, ...] = ("track_id",)
    threshold = 0.5

    def __init__(self, name: str, log_loss: float = 0.5) -> None:  # noqa: D107
        self.name = name
        self.version = "3"
        self.digest = "0123456789abcdef"
        self.metrics = {"log_loss": log_loss}
        self._probability = {"a": 0.4, "b": 0.9, "c": 0.4, "d": 0.5}
        self.track_ids = list(self._probability)

    def knows(self, track_id: str) -> bool:
        return track_id in self._probability

    def predict(
        self,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        context: ListenerContext | None = None,
    ) -> NDArray[np.float64]:
        unknown = [track_id for track_id in track_ids if not self.knows(track_id)]
        if unknown:
            raise UnknownTrack(unknown)
        return np.array([self._probability[track_id] for track_id in track_ids], dtype=np.float64)

    def predict_all(
        self, favourite_genres: Sequence[str], context: ListenerContext | None = None
    ) -> NDArray[np.float64]:
        return self.predict(self.track_ids, favourite_genres, context)

    def predict_one(
        self, track_id: str, favourite_genres: tuple[str, ...], context: ListenerContext | None = None
    ) -> float:
        if track_id not in self._probability:
            raise UnknownTrack((track_id,))
        return self._probability[track_id]

    def curves_of(
        self, track_ids: Sequence[str], probabilities: NDArray[np.float64], at_s: Sequence[float]
    ) -> NDArray[np.float64]:
        return np.outer(probabilities, 1 / (1 + np.asarray(at_s)))


class FakeLog:
    def __init__(self) -> None:  # noqa: D107
        self.records: list[PredictionRecord] = []
        self.outcomes: dict[str, Outcome] = {}

    def new_prediction_id(self, request_id: str = "") -> str:
        return request_id or f"{len(self.records):024x}"

    async def add(self, record: PredictionRecord, *, retried: bool = False) -> PredictionRecord:
        for known in self.records if retried else ():
            if known.prediction_id == record.prediction_id:
                return known
        self.records.append(record)
        return record

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        self.outcomes[prediction_id] = outcome


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def service(log: FakeLog) -> PredictionService:
    now = datetime.now(UTC)
    fakes: dict[str, Any] = {name: FakePredictor(name) for name in ("simple", "advanced")}
    models = {name: LoadedModel(fake, now) for name, fake in fakes.items()}
    arms = [Arm(name, name, "3", 0.5) for name in models]
    library = LoadedModels({name: (model,) for name, model in models.items()}, "advanced")
    tracks = {
        "id": list("abcd"),
        "duration_ms": [180_000] * 4,
        "storage_class": ["FAST", None, "SLOW", "SLOW"],
    }
    catalogue = CatalogueTracks(Catalogue(pd.DataFrame(tracks)))
    return PredictionService(library, Experiment("e", "s", arms, metric="brier"), log, catalogue)


@pytest.mark.parametrize(("asked", "answered"), [("", "advanced"), ("simple", "simple")])
async def test_an_empty_model_is_the_default_one(
    service: PredictionService, asked: str, answered: str
) -> None:
    prediction = service.predict(asked, "b", ("rock",))
    assert (prediction.model, prediction.version) == (answered, "3")


@pytest.mark.parametrize(("track_id", "skipped"), [("a", True), ("b", False), ("d", False)])
async def test_a_play_counts_as_skipped_below_the_threshold(
    service: PredictionService, track_id: str, skipped: bool
) -> None:
    assert (service.predict("", track_id, ())).skipped is skipped


async def test_unknown_names_are_told_apart(service: PredictionService) -> None:
    with pytest.raises(UnknownModelError, match="nobody"):
        service.predict("nobody", "a", ())
    with pytest.raises(UnknownTrackError, match="zzz"):
        service.predict("", "zzz", ())


async def test_predict_does_not_log(service: PredictionService, log: FakeLog) -> None:
    service.predict("", "a", ())
    assert log.records == []


async def test_predict_random_logs_what_it_answers(service: PredictionService, log: FakeLog) -> None:
    before = datetime.now(UTC)
    prediction = await service.predict_random("b", ("rock", "pop"), "101")
    (record,) = log.records
    assert record.prediction_id == prediction.prediction_id
    assert (record.arm, record.model, record.version) == (prediction.model, prediction.model, "3")
    assert record.digest == "0123456789abcdef"
    assert record.metric == "brier"
    assert (record.experiment, record.arm_probability, record.listener_id) == ("e", 0.5, "101")
    assert (record.track_id, record.favourite_genres) == ("b", ("rock", "pop"))
    assert (record.play_through_probability, record.skipped) == (0.9, False)
    assert before <= record.requested_at <= datetime.now(UTC)
    assert record.latency_us >= 0


async def test_predict_random_is_sticky_per_listener_and_draws_every_model(
    service: PredictionService,
) -> None:
    models = {(await service.predict_random("a", (), "101")).model for _ in range(20)}
    assert len(models) == 1
    assert {(await service.predict_random("a", ())).model for _ in range(100)} == {"simple", "advanced"}


async def test_a_request_id_draws_one_model_and_is_logged_once(
    service: PredictionService, log: FakeLog
) -> None:
    answers = {await service.predict_random("a", (), "101", request_id="r") for _ in range(5)}
    assert len(answers) == len(log.records) == 1
    drawn = {(await service.predict_random("a", (), request_id=str(n))).model for n in range(100)}
    assert drawn == {"simple", "advanced"}


async def test_a_retry_is_answered_with_what_was_logged_although_the_models_have_changed(
    service: PredictionService, log: FakeLog
) -> None:
    first = await service.predict_random("a", (), "101", request_id="r")
    (record,) = log.records
    log.records[0] = replace(
        record, model="former", version="1", play_through_probability=0.75, skipped=False
    )
    again = await service.predict_random("a", (), "101", request_id="r")
    assert again == Prediction(False, 0.75, "former", "1", first.prediction_id)


@pytest.mark.parametrize(("track_id", "listener_id"), [("b", "101"), ("a", "102"), ("a", None)])
async def test_a_request_id_that_named_another_request_is_refused(
    service: PredictionService, log: FakeLog, track_id: str, listener_id: str | None
) -> None:
    await service.predict_random("a", (), "101", request_id="r")
    with pytest.raises(InvalidRequestError, match="request_id: names an earlier request"):
        await service.predict_random(track_id, (), listener_id, request_id="r")
    assert len(log.records) == 1


async def test_predict_random_does_not_log_what_it_cannot_answer(
    service: PredictionService, log: FakeLog
) -> None:
    with pytest.raises(UnknownTrackError):
        await service.predict_random("zzz", ())
    assert log.records == []


async def test_a_ranking_falls_and_its_ties_keep_the_order_of_the_request(service: PredictionService) -> None:
    ranking = service.rank_tracks("", ["c", "x", "a", "b", "c", "y", "x"], [])
    assert ranking.track_ids == ["b", "c", "a"]
    assert ranking.probabilities == [0.9, 0.4, 0.4]
    assert ranking.unknown_track_ids == ["x", "y"]


async def test_no_tracks_means_the_whole_catalogue_and_top_k_cuts_it(service: PredictionService) -> None:
    assert service.rank_tracks("", [], []).track_ids == ["b", "d", "a", "c"]
    assert service.rank_tracks("", [], [], top_k=2).track_ids == ["b", "d"]


async def test_listening_curves_come_with_the_ranked_tracks_and_only_when_asked_for(
    service: PredictionService,
) -> None:
    assert service.rank_tracks("", ["a", "b"], []).listening_curves == []
    ranking = service.rank_tracks("", ["a", "b", "x"], [], top_k=1, listening_curve_at_s=[0.0, 1.0])
    assert ranking.track_ids == ["b"]
    assert ranking.listening_curves == [[0.9, 0.45]]
    assert service.rank_tracks("", ["x"], [], listening_curve_at_s=[1.0]).listening_curves == []


async def test_only_unknown_tracks_make_an_empty_ranking(service: PredictionService) -> None:
    ranking = service.rank_tracks("", ["x"], [])
    assert (ranking.track_ids, ranking.unknown_track_ids) == ([], ["x"])


async def test_an_outcome_is_logged(service: PredictionService, log: FakeLog) -> None:
    await service.record_outcome("id", True, 1500)
    assert (log.outcomes["id"].skipped, log.outcomes["id"].listened_ms) == (True, 1500)
