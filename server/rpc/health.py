"""Answers `grpc.health.v1`, and lets go of those who watch once the server drains.

The servicer of grpcio-health-checking keeps its Watch streams open to the end: a server with one client that
watches, as gRPC's own clients and Kubernetes can, would take its whole grace period to stop.
"""

import asyncio
from collections.abc import Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.rpc.errors import Context

_Response = health_pb2.HealthCheckResponse


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Knows the status of every service by name; "" is the server itself."""

    def __init__(self) -> None:
        """Starts with no service."""
        self._serves: dict[str, bool] = {}
        self._draining = False
        self._changed = asyncio.Event()

    def set(self, serves: Mapping[str, bool]) -> None:
        """Says which services serve, and tells those who watch; nothing changes any more after `drain`."""
        if not self._draining:
            self._serves |= serves
            self._tell()

    def drain(self) -> None:
        """Says NOT_SERVING for every service, for good, and ends the streams of those who watch."""
        self._draining = True
        self._serves = dict.fromkeys(self._serves, False)
        self._tell()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> _Response:
        """Answers a service's status; NOT_FOUND for one that is not known."""
        if request.service not in self._serves:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return _Response(status=self._status(request.service))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Streams a service's status, at once and whenever it changes, until the server drains."""
        told: int | None = None
        while True:
            changed = self._changed  # before the look: what changes while it is told is not missed
            status = self._status(request.service)
            if status != told:
                await context.write(_Response(status=status))
                told = status
            if self._draining and changed is self._changed:
                return
            await changed.wait()

    def _status(self, service: str) -> int:
        serves = self._serves.get(service)
        if serves is None:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if serves else _Response.NOT_SERVING

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
