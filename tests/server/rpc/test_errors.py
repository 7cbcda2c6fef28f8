"""Errors arrive: gRPC's clients refuse a status of more than some kilobytes, and then show another one."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from playthrough.v1 import prediction_service_pb2 as pb
from server.errors import MAX_VIOLATIONS, InvalidRequestError, UnknownModelError


async def test_a_request_of_a_thousand_bad_fields_is_told_of_the_first(serving: Callable[..., Any]) -> None:
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RankTracks(pb.RankTracksRequest(track_ids=[""] * 1_000))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(caught.value.details()).endswith("track_ids[15]: is required; and 984 more")
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert [it.field for it in bad.field_violations] == [f"track_ids[{n}]" for n in range(MAX_VIOLATIONS)]


async def test_names_that_take_ten_characters_each_are_cut_short(serving: Callable[..., Any]) -> None:
    odd = "\U000e0001" * 200
    async with serving() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Predict(pb.PredictRequest(track_id="a", model=odd, version=odd))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert len(str(caught.value.details())) < 300


def test_a_few_violations_are_all_told() -> None:
    error = InvalidRequestError([("a", "is bad")] * MAX_VIOLATIONS)
    assert len(error.violations) == MAX_VIOLATIONS
    assert str(error).count("is bad") == MAX_VIOLATIONS
    assert "more" not in str(error)


def test_what_a_caller_named_is_quoted_on_one_line() -> None:
    assert str(UnknownModelError("a\nb", "2")) == r"unknown model 'a\nb', version '2'"
    assert str(UnknownModelError("x" * 500)).endswith("x…")
