"""Who calls and whether that one may, and the port's credentials: what gRPC tells, and what it is given."""

import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from grpc_reflection.v1alpha import reflection

from server.access.caller import Caller, peer_caller
from server.access.followed import Followed
from server.access.policy import Policy, Shown, certificate_caller
from server.access.scopes import REFLECTION
from server.errors import PermissionDeniedError, ServiceError, UnauthenticatedError
from server.rpc.call_records import id_of
from server.rpc.errors import Context, abort

if TYPE_CHECKING:
    from server.access.tls import Tls

_log = structlog.get_logger("server.rpc")


class Security:
    """Protects a server by what its files say: certificate and key, and who may do what."""

    def __init__(self, tls: "Followed[Tls] | None" = None, access: Followed[Policy] | None = None) -> None:
        """Protects by TLS, by an access file, by both or by nothing.

        Args:
            tls: Certificate and key; without them, the port speaks plain text.
            access: Who may do what; without it, everybody who gets a connection may do everything.
        """
        self._tls = tls
        self._access = access
        self._mutual = tls is not None and tls.value.client_ca is not None
        self._refused: Counter[tuple[str, str]] = Counter()

    def credentials(self) -> grpc.ServerCredentials | None:
        """Returns the port's credentials, which follow the files; None for plain text."""
        if self._tls is None:
            return None
        followed, given = self._tls, self._tls.value

        def fetch() -> Any:
            """Called by gRPC in a thread of its own, one call at a time, at each handshake."""
            nonlocal given
            if followed.value is given:
                return None
            given = followed.value
            return _configuration(given)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(given), fetch, require_client_authentication=self._mutual
        )

    def admit(self, method: str, context: Context) -> Caller:
        """Returns who makes a call.

        Raises:
            UnauthenticatedError: Nothing that the call shows is good.
            PermissionDeniedError: The caller may not call the method.
        """
        peer = context.peer() or ""
        if self._access is None and not self._mutual:
            return peer_caller(peer)
        try:
            names = _certificate_names(context) if self._mutual else ()
            if self._access is None:
                return certificate_caller(names, {})[0] if names else peer_caller(peer)
            shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
            return self._access.value.admit(method, Shown(shown, names, peer))
        except UnauthenticatedError as error:
            self._refused[method, error.reason] += 1
            raise
        except PermissionDeniedError:
            self._refused[method, "scope_missing"] += 1
            raise

    async def look(self) -> None:
        """Takes over changed files, and logs what was refused since the last look."""
        self._log_refusals()
        for followed in (self._tls, self._access):
            if followed is not None:
                await followed.look()

    def _log_refusals(self) -> None:
        """Logs how many calls were refused, and why; a line each would be a flood."""
        refused, self._refused = self._refused, Counter()
        for (method, reason), calls in refused.items():
            _log.warning("calls_refused", method=method, reason=reason, calls=calls)


class ReflectionServicer(reflection.aio.ReflectionServicer):
    """Describes the services to whom that is allowed."""

    def __init__(self, service_names: tuple[str, ...], security: Security) -> None:
        """Describes these services."""
        super().__init__(service_names)
        self._security = security

    async def ServerReflectionInfo(  # type: ignore[override]  # the stubs take it for a coroutine
        self, request_iterator: AsyncIterable[Any], context: Context
    ) -> AsyncIterator[Any]:
        """Answers a stream of questions."""
        try:
            self._security.admit(REFLECTION, context)
        except ServiceError as error:
            await abort(context, error, id_of(None, context))
        answers: Any = super().ServerReflectionInfo(request_iterator, context)
        async for answer in answers:
            yield answer


def _configuration(tls: "Tls") -> Any:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.certificate)], tls.client_ca)


def _certificate_names(context: Context) -> tuple[str, ...]:
    """Returns the names in the client certificate of a call's connection, which has to have one."""
    from server.access.client_certificate import certificate_names  # here: cryptography takes 5 MB

    (pem,) = context.auth_context()["x509_pem_cert"]
    return certificate_names(pem, time.time())
