"""The made messages reach every field that the contract has, whatever is added to it."""

from collections.abc import Iterator
from random import Random

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from playthrough.v1 import prediction_service_pb2 as pb
from tests.fuzz.messages import MessageMaker
from tests.fuzz.wire import broken

MESSAGES = list(pb.DESCRIPTOR.message_types_by_name.values())
WORDS = {"track_id": ["a", "b"], "model": [""]}


@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda it: it.name)
def test_every_field_of_every_message_is_filled(descriptor: Descriptor) -> None:
    maker, seen = MessageMaker(Random(1), WORDS), set()
    for _ in range(60):
        message = maker.message(descriptor)
        seen |= set(_filled(message))
        maker.change(message)
        seen |= set(_filled(message))
    assert seen >= set(_fields(descriptor))


def test_what_is_made_is_the_same_from_the_same_numbers() -> None:
    def made() -> list[bytes]:
        random = Random(5)
        maker = MessageMaker(random, WORDS)
        messages = [maker.message(pb.PlanPrefetchRequest.DESCRIPTOR) for _ in range(20)]
        return [broken(random, it.SerializeToString(deterministic=True)) for it in messages]

    assert made() == made()


def test_texts_that_mean_something_are_most_of_those_of_a_field() -> None:
    maker = MessageMaker(Random(1), WORDS)
    tracks = [maker.message(pb.PredictRequest.DESCRIPTOR) for _ in range(200)]
    known = sum(isinstance(it, pb.PredictRequest) and it.track_id in ("a", "b") for it in tracks)
    assert known > 100


def test_broken_bytes_are_refused_by_the_decoder_at_times_and_taken_at_others() -> None:
    random = Random(1)
    content = pb.PredictRequest(track_id="a", favourite_genres=["rock"]).SerializeToString()
    taken = [_is_taken(broken(random, content)) for _ in range(300)]
    assert 30 < sum(taken) < 270


def _is_taken(content: bytes) -> bool:
    try:
        pb.PredictRequest.FromString(content)
    except Exception:
        return False
    return True


def _fields(descriptor: Descriptor, deeper: int = 4) -> Iterator[str]:
    """Yields every field of a message and of those in it, by full name; not what a map's entries hold."""
    for field in descriptor.fields:
        yield field.full_name
        kind = field.message_type
        if kind is not None and not kind.GetOptions().map_entry and deeper:
            yield from _fields(kind, deeper - 1)


def _filled(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        yield field.full_name
        kind = field.message_type
        if kind is not None and not kind.GetOptions().map_entry:
            for each in value if field.is_repeated else (value,):
                yield from _filled(each)


def test_messages_are_whole(tmp_path_factory: pytest.TempPathFactory) -> None:
    for descriptor in MESSAGES:
        message = MessageMaker(Random(2), WORDS).message(descriptor)
        assert (
            GetMessageClass(descriptor).FromString(message.SerializeToString()).ByteSize()
            == message.ByteSize()
        )
