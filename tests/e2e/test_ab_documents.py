"""Every answered PredictRandom is one document in MongoDB, read here with plain PyMongo."""

import time
from typing import Any

import grpc
import pymongo
import pytest
from pymongo.collection import Collection

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.prediction_service_pb2_grpc import PredictionServiceStub

PREDICTIONS = 60


def wait_for_count(
    collection: Collection[dict[str, Any]], query: dict[str, Any], count: int, timeout_s: float = 120
) -> bool:
    deadline = time.monotonic() + timeout_s
    while collection.count_documents(query) != count and time.monotonic() < deadline:
        time.sleep(0.1)
    return collection.count_documents(query) == count


def test_each_prediction_is_a_document_and_both_models_are_among_them(
    serve: Any, trained: Any, track_id: str
) -> None:
    with serve(trained.data, trained.models) as running, grpc.insecure_channel(running.target) as channel:
        stub = PredictionServiceStub(channel)
        request = pb.PredictRandomRequest(track_id=track_id, favourite_genres=["rock"])
        answers = [stub.PredictRandom(request, timeout=10) for _ in range(PREDICTIONS)]
        outcome = pb.RecordOutcomeRequest(prediction_id=answers[0].prediction_id, skipped=True, listened_ms=9)
        stub.RecordOutcome(outcome, timeout=10)
        with pymongo.MongoClient[dict[str, Any]](running.mongodb_uri) as mongo:
            predictions = mongo.get_default_database()["predictions"]
            assert wait_for_count(predictions, {}, PREDICTIONS)
            assert wait_for_count(predictions, {"outcome.skipped": True}, 1)
            documents = {document["_id"]: document for document in predictions.find()}

    assert set(documents) == {answer.prediction_id for answer in answers}
    assert {document["model"] for document in documents.values()} == {"simple", "advanced", "contextual"}
    for answer in answers:
        document = documents[answer.prediction_id]
        assert document["model"] == answer.model
        assert document["version"] == answer.version
        assert document["play_through_probability"] == answer.play_through_probability
        assert document["skipped"] == answer.skipped
        assert document["track_id"] == track_id
        assert document["favourite_genres"] == ["rock"]
        assert document["arm_probability"] == pytest.approx(1 / 3)
    assert documents[answers[0].prediction_id]["outcome"]["listened_ms"] == 9


def test_documents_outlive_the_server(serve: Any, trained: Any, track_id: str) -> None:
    """A stopped server has moved its records to the database; the next one finds them there."""
    for run in (1, 2):
        with serve(trained.data, trained.models) as running, grpc.insecure_channel(running.target) as channel:
            stub = PredictionServiceStub(channel)
            for _ in range(10):
                stub.PredictRandom(pb.PredictRandomRequest(track_id=track_id), timeout=10)
            with pymongo.MongoClient[dict[str, Any]](running.mongodb_uri) as mongo:
                assert wait_for_count(mongo.get_default_database()["predictions"], {}, 10 * run)
