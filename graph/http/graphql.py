"""The endpoint /graphql: POST, `graphql-transport-ws` sockets and SSE; nothing else.

Not offered on purpose: queries by GET (they end in logs and caches), the legacy `graphql-ws` protocol (CVE-2026-35523),
multipart uploads (files go to storage), batching.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import strawberry
import structlog
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLRequestData
from strawberry.schema.base import BaseSchema
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.types import ExecutionResult, SubscriptionExecutionResult
from strawberry.types.execution import PreExecutionError

from graph.context import Context, Services
from graph.core.errors import DomainError, NotAuthenticated, TopLevelError
from graph.core.telemetry import API_ERRORS
from graph.core.viewer import Viewer
from graph.http.documents import Documents, read_documents

MAX_SUBSCRIPTIONS = 20

log = structlog.get_logger(__name__)


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's handler of `graphql-transport-ws`, which takes hashes for documents too."""

    async def handle_subscribe(self, message: Any) -> None:
        """Put the text of the document into the message, or answer that it is refused."""
        payload = message["payload"]
        sent = payload.get("query") if isinstance(payload, dict) else 0
        if not isinstance(sent, str | None):
            raise KeyError("query")  # Strawberry's word for a message that cannot be read
        view = self.view
        if isinstance(view, Endpoint) and self.connection_acknowledged:
            try:
                query = view.documents.text(sent, payload.get("extensions"), self.context)
            except TopLevelError as error:
                refusal = [_refusal(error).formatted]
                await self.send_message({"id": message["id"], "type": "error", "payload": refusal})
                return
            if query is None:
                raise KeyError("query")
            message = {**message, "payload": {**payload, "query": query}}
        await super().handle_subscribe(message)


def _refusal(error: TopLevelError) -> GraphQLError:
    """Return the GraphQL error of a document that is not even parsed, counted as others are."""
    API_ERRORS.labels("invalid", error.code).inc()
    return GraphQLError(error.message, extensions={"code": error.code})


class Endpoint(GraphQL[Context, None]):
    """Strawberry's ASGI application with our context, JSON, socket and document rules."""

    graphql_transport_ws_handler_class = SocketHandler

    def __init__(self, schema: BaseSchema, services: Services) -> None:
        super().__init__(
            schema,
            graphql_ide=None if services.settings.production else "graphiql",
            allow_queries_via_get=False,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=10),
            multipart_uploads_enabled=False,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
            allowed_origins=services.settings.origins,
        )
        self._services = services
        self.documents = Documents(read_documents(), listed_only=services.settings.listed_documents_only)
        self._sockets: set[WebSocket] = set()
        self._closing = asyncio.Event()
        self._watchers: dict[WebSocket, asyncio.Task[None]] = {}

    def decode_json(self, data: str | bytes) -> object:
        """Use orjson; its error is a JSONDecodeError, as Strawberry expects."""
        return orjson.loads(data)

    def parse_json(self, data: str | bytes) -> Any:
        """Refuse bodies that are JSON but no object: Strawberry would trip over them."""
        parsed = super().parse_json(data)
        if not isinstance(parsed, (dict, list)):
            raise HTTPException(400, "The body must be a JSON object with a `query`.")
        if isinstance(parsed, list) and not all(isinstance(item, dict) for item in parsed):
            raise HTTPException(400, "Batching is not enabled")
        return parsed

    def encode_json(self, data: object) -> str | bytes:
        """Use orjson; sockets need text frames."""
        return orjson.dumps(data).decode()

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:
        """Say who asks; broken credentials are kept as an error, since logging in must work with an old token."""
        context = Context(self._services, request, response)
        if isinstance(request, Request):
            request.state.context = context
            await self._authenticate(context, request.headers.get("authorization"), request.headers.get("x-workspace"))
        return context

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> ExecutionResult | list[ExecutionResult] | SubscriptionExecutionResult:
        """Execute the document that was sent or named, if it may be."""
        if isinstance(request_data, GraphQLRequestData):
            try:
                query = self.documents.text(request_data.query, request_data.extensions, context)
            except TopLevelError as error:
                return PreExecutionError(data=None, errors=[_refusal(error)])
            request_data = replace(request_data, query=query)
        return await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )

    async def _authenticate(self, context: Context, authorization: str | None, workspace: str | None) -> None:
        try:
            context.viewer = await self._services.authenticator.viewer(authorization, workspace)
        except TopLevelError as error:
            context.auth_error = error
            if isinstance(error, NotAuthenticated):
                self._services.refusals.note("token.refused", error.code, data={"reason": error.message})
        except DomainError as error:
            # an unknown workspace: nothing of the request can be meant for another one
            refused = TopLevelError(error.message, code="WORKSPACE_UNKNOWN")
            context.auth_error = refused
            self._services.refusals.note("access.refused", "WORKSPACE_UNKNOWN")

    async def on_ws_connect(self, context: Context) -> Any:
        """Authenticate a socket by its connection_init payload; close it when the credentials end."""
        payload = context.connection_params or {}
        authorization, workspace = payload.get("authorization"), payload.get("workspace")
        await self._authenticate(
            context,
            authorization if isinstance(authorization, str) else None,
            workspace if isinstance(workspace, str) else None,
        )
        if context.viewer is None:
            raise ConnectionRejectionError
        socket = context.request
        if isinstance(socket, WebSocket):
            self._watchers[socket] = asyncio.create_task(self._watch(socket, context.viewer))
        return strawberry.UNSET

    async def _watch(self, socket: WebSocket, viewer: Viewer) -> None:
        reason = await self._services.authenticator.until_invalid(viewer)
        log.info("socket_closed", reason=reason)
        with contextlib.suppress(RuntimeError):
            await socket.close(4403, reason)

    async def run(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep account of open sockets."""
        if not isinstance(request, WebSocket):
            return await super().run(request, *args, **kwargs)
        self._sockets.add(request)
        try:
            return await super().run(request, *args, **kwargs)
        finally:
            self._sockets.discard(request)
            watcher = self._watchers.pop(request, None)
            if watcher is not None:
                watcher.cancel()

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Any,
    ) -> Response:
        """Answer by SSE; the stream ends with the credentials, as sockets do."""
        context: Context = request.state.context
        return await super().create_streaming_response(
            request, lambda: self._while_valid(stream(), context.viewer), sub_response, headers
        )

    async def _while_valid(self, stream: AsyncIterator[str], viewer: Viewer | None) -> AsyncIterator[str]:
        ends: list[asyncio.Task[Any]] = [asyncio.create_task(self._closing.wait())]
        if viewer is not None:
            ends.append(asyncio.create_task(self._services.authenticator.until_invalid(viewer)))
        following: asyncio.Task[str | None] | None = None
        try:
            while True:
                following = asyncio.create_task(_next(stream))
                await asyncio.wait({following, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    return
                text = following.result()
                if text is None:
                    return
                yield text
        finally:
            for task in (following, *ends):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*filter(None, (following, *ends)), return_exceptions=True)
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

    async def close(self) -> None:
        """End all sockets and streams, so that a shutdown need not wait; clients connect to the next process."""
        self._closing.set()
        for socket in list(self._sockets):
            with contextlib.suppress(RuntimeError):
                await socket.close(1012, "Service restart")


async def _next(stream: AsyncIterator[str]) -> str | None:
    """Return the next text, None at the end: a task cannot hold StopAsyncIteration well."""
    return await anext(stream, None)
