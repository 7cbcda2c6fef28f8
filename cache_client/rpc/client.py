"""An async client of the prediction server: deadlines, retries, typed answers, typed errors."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar

import grpc

from cache_client.prefetch.play import Play
from cache_client.prefetch.score import ScoreWeights
from cache_client.rpc.convert import (
    context_to_proto,
    logged_prediction_from_proto,
    model_list_from_proto,
    planned_play_from_proto,
    play_to_proto,
    prediction_from_proto,
    ranking_from_proto,
    string_list,
)
from cache_client.rpc.credentials import Token, token_metadata
from cache_client.rpc.errors import ServerUnavailable
from cache_client.rpc.load_balancing import LoadBalancing, balancing_config, balancing_options
from cache_client.rpc.messages import (
    ListenerContext,
    LoggedPrediction,
    ModelList,
    PlannedPlay,
    Prediction,
    Ranking,
)
from cache_client.rpc.retry import RetryPolicy
from cache_client.rpc.status import no_answer, to_client_error
from cache_client.rpc.target import with_port
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.prediction_service_pb2_grpc import PredictionServiceStub

if TYPE_CHECKING:
    from playthrough.v1.prediction_service_pb2_grpc import PredictionServiceAsyncStub

Answer = TypeVar("Answer")

# Below what servers and proxies allow, 100 at the least by custom. gRPC refuses calls of who uses it all: it
# counts a call until it is cleared away, while the client, which has its answer, makes the next one.
CALLS_PER_CONNECTION = 90


class _How(TypedDict):
    """What is the same of every call."""

    timeout: float
    metadata: tuple[tuple[str, str], ...] | None


class PredictionClient:
    """Calls a prediction server. Use it as an async context manager, or `close` it."""

    def __init__(
        self,
        target: str,
        *,
        deadline_s: float = 5.0,
        retry: RetryPolicy | None = None,
        connections: int = 1,
        credentials: grpc.ChannelCredentials | None = None,
        token: Token | None = None,
        channel_options: Sequence[tuple[str, Any]] = (),
        load_balancing: LoadBalancing = "pick_first",
    ) -> None:
        """Opens channels, each of which connects on its first call.

        Args:
            target: Where the server listens, `HOST:PORT`; port 50051 where none is given.
            deadline_s: How long one call may take, retries included, in seconds.
            retry: How to repeat calls that find no server.
            connections: How many connections take turns. Each costs the first call on it the time to
                connect; it stays with one of a server's workers, so that many calls at once may want several.
                Of more than 90 calls on one, the others wait.
            credentials: Of TLS, such as `tls_credentials` returns; plain text without.
            token: Shown with each call, as `authorization: Bearer …`; over plain text anybody on the way can
                read it. A string, a `Path` to a file that is read again when it changes, or what returns one
                for each call, at once.
            channel_options: gRPC's own; they beat those that are set here.
            load_balancing: Which server a call goes to where the target resolves to several addresses, as a
                headless Service of Kubernetes does (`dns:///NAME:PORT`).

        Raises:
            ValueError: There is to be no connection.
            Unauthenticated: The token is a string that can be none.
            InvalidTarget: The target is a URL with `http://` or `https://`.
        """
        if connections < 1:
            raise ValueError(f"connections is {connections}, not 1 or more")
        self._target = target = with_port(target)
        self._deadline_s = deadline_s
        self._closed = False
        self._metadata = token_metadata(token) if token is not None else lambda: None
        config = (retry or RetryPolicy()).service_config() | balancing_config(load_balancing)
        options = {
            **dict(balancing_options(load_balancing)),
            "grpc.service_config": json.dumps(config),
            "grpc.use_local_subchannel_pool": 1,  # or all channels to one target share a connection
            **dict(channel_options),
        }
        self._channels = [_channel(target, credentials, list(options.items())) for _ in range(connections)]
        self._in_turn = cycle(
            [
                (channel, PredictionServiceStub(channel), asyncio.Semaphore(CALLS_PER_CONNECTION))
                for channel in self._channels
            ]
        )

    @property
    def target(self) -> str:
        """Returns where the server listens, with its port."""
        return self._target

    @property
    def is_connected(self) -> bool:
        """Returns whether any of the connections stands; none does before the first call."""
        return any(map(_is_ready, self._channels))

    async def __aenter__(self) -> Self:
        """Returns the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the channels."""
        await self.close()

    async def close(self) -> None:
        """Closes the channels and ends calls that are under way."""
        self._closed = True
        await asyncio.gather(*(channel.close() for channel in self._channels))

    async def list_models(self) -> ModelList:
        """Returns the server's models and its experiment.

        Raises:
            ServerError: The call failed.
        """
        request = pb.ListModelsRequest()
        answer = await self._answer(lambda stub, how: stub.ListModels(request, **how))
        return model_list_from_proto(answer)

    async def predict(
        self,
        track_id: str,
        favourite_genres: Sequence[str],
        *,
        model: str = "",
        version: str = "",
        context: ListenerContext | None = None,
    ) -> Prediction:
        """Returns one model's prediction for one track; the server does not log it.

        Args:
            track_id: The track about to be played.
            favourite_genres: The listener's, at most 100.
            model: The model to ask; empty for the default one.
            version: Its version; empty for the one that serves. `list_models` tells which are loaded.
            context: What else is known about the listener.

        Raises:
            NotFoundError: Unknown model, version or track.
            InvalidRequest: The server refused the input.
            ServerError: The call failed otherwise.
        """
        request = pb.PredictRequest(
            model=model,
            version=version,
            track_id=track_id,
            favourite_genres=string_list("favourite_genres", favourite_genres),
            context=context_to_proto(context),
        )
        answer = await self._answer(lambda stub, how: stub.Predict(request, **how))
        return prediction_from_proto(track_id, answer)

    async def predict_random(
        self,
        track_id: str,
        favourite_genres: Sequence[str],
        *,
        listener_id: str = "",
        context: ListenerContext | None = None,
        request_id: str = "",
    ) -> LoggedPrediction:
        """Returns the prediction of the model that the experiment draws; the server logs it.

        Args:
            track_id: The track about to be played.
            favourite_genres: The listener's, at most 100.
            listener_id: When given, the same listener always gets the same arm.
            context: What else is known about the listener.
            request_id: Names this request for good, so that asking again yields the same prediction and logs
                no second one. By default a new one, which the repeats of this call share.

        Raises:
            NotFoundError: Unknown track.
            InvalidRequest: The server refused the input.
            Overloaded: The server cannot log the prediction.
            ServerError: The call failed otherwise.
        """
        request = pb.PredictRandomRequest(
            track_id=track_id,
            favourite_genres=string_list("favourite_genres", favourite_genres),
            listener_id=listener_id,
            context=context_to_proto(context),
            request_id=request_id or uuid.uuid4().hex,
        )
        answer = await self._answer(lambda stub, how: stub.PredictRandom(request, **how))
        return logged_prediction_from_proto(track_id, answer)

    async def rank_tracks(
        self,
        track_ids: Sequence[str],
        favourite_genres: Sequence[str],
        *,
        model: str = "",
        context: ListenerContext | None = None,
        top_k: int = 0,
        listening_curve_at_s: Sequence[float] = (),
    ) -> Ranking:
        """Returns tracks by falling play-through probability, in one call.

        Args:
            track_ids: The tracks to rank, at most 1,000; none for the whole catalogue.
            favourite_genres: The listener's, at most 100.
            model: The model to ask; empty for the default one.
            context: What else is known about the listener.
            top_k: How many tracks to return at most; 0 for all.
            listening_curve_at_s: Seconds from a track's start at which to give its listening curve.

        Raises:
            NotFoundError: Unknown model. (Unknown tracks come back in the ranking.)
            InvalidRequest: The server refused the input.
            ServerError: The call failed otherwise.
        """
        request = pb.RankTracksRequest(
            model=model,
            track_ids=string_list("track_ids", track_ids),
            favourite_genres=string_list("favourite_genres", favourite_genres),
            context=context_to_proto(context),
            top_k=top_k,
            listening_curve_at_s=listening_curve_at_s,
        )
        answer = await self._answer(lambda stub, how: stub.RankTracks(request, **how))
        return ranking_from_proto(answer)

    async def plan_prefetch(
        self,
        play: Play,
        favourite_genres: Sequence[str],
        *,
        model: str = "",
        version: str = "",
        context: ListenerContext | None = None,
        weights: ScoreWeights | None = None,
    ) -> PlannedPlay:
        """Returns the server's plan for a play, by the rule that `PrefetchClient` has on its own.

        Args:
            play: What plays, what is queued and cached, what was seen of the link, the ration. Tracks of
                length 0 have the catalogue's; lengths go over in whole milliseconds.
            favourite_genres: The listener's, at most 100.
            model: The model to ask; empty for the default one.
            version: Its version; empty for the one that serves.
            context: What else is known about the listener.
            weights: Prices of a wait and of a wasted byte; the usual ones when not given.

        Raises:
            NotFoundError: Unknown model or version. (Unknown tracks come back beside the plan.)
            InvalidRequest: The server refused the input.
            ServerError: The call failed otherwise.
        """
        request = play_to_proto(play)
        request.model, request.version = model, version
        request.favourite_genres.extend(string_list("favourite_genres", favourite_genres))
        if (told := context_to_proto(context)) is not None:
            request.context.CopyFrom(told)
        weights = weights or ScoreWeights()
        request.wait_per_s, request.waste_per_mbit = weights.wait_per_s, weights.waste_per_mbit
        answer = await self._answer(lambda stub, how: stub.PlanPrefetch(request, **how))
        return planned_play_from_proto(answer)

    async def record_outcome(self, prediction_id: str, *, skipped: bool, listened_ms: int) -> None:
        """Reports what happened to a logged prediction. Saying the same again does no harm.

        Of two different outcomes the server counts the first.

        Args:
            prediction_id: As `predict_random` named it.
            skipped: Whether the listener skipped the track.
            listened_ms: How long the listener heard it, in milliseconds.

        Raises:
            NotFoundError: No server can have issued this id.
            ServerError: The call failed otherwise.
        """
        request = pb.RecordOutcomeRequest(
            prediction_id=prediction_id, skipped=skipped, listened_ms=listened_ms
        )
        await self._answer(lambda stub, how: stub.RecordOutcome(request, **how))

    async def _answer(
        self, call: Callable[["PredictionServiceAsyncStub", _How], Awaitable[Answer]]
    ) -> Answer:
        """Makes a call and awaits it; every foreign error is turned into this package's here."""
        channel, stub, room = next(self._in_turn)
        how: _How = {"timeout": self._deadline_s, "metadata": self._metadata()}
        try:
            if room.locked():  # then the call's own deadline begins too late
                async with asyncio.timeout(self._deadline_s), room:
                    return await call(stub, how)
            async with room:
                return await call(stub, how)
        except TimeoutError as error:
            raise no_answer(self._target, self._deadline_s, connected=_is_ready(channel)) from error
        except grpc.aio.AioRpcError as error:
            connected = _is_ready(channel)
            raise to_client_error(error, self._target, self._deadline_s, connected=connected) from error
        except grpc.aio.UsageError as error:
            raise ServerUnavailable(f"the client of {self._target} is closed") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                # Not the caller was cancelled: gRPC cancels the calls of a channel that closes.
                raise ServerUnavailable(f"the client of {self._target} is closed") from error
            raise


def _channel(
    target: str, credentials: grpc.ChannelCredentials | None, options: list[tuple[str, Any]]
) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def _is_ready(channel: grpc.aio.Channel) -> bool:
    return channel.get_state() is grpc.ChannelConnectivity.READY
