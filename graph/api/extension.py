"""The one schema extension: caches parsing and validation, masks bugs, counts and traces operations.

One extension instead of six, because each costs a context manager per step and request. The cache holds documents by
their text; its size is bounded in entries and in length of text, so that unknown documents cannot fill memory.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from opentelemetry import trace
from strawberry.extensions import SchemaExtension
from strawberry.extensions.context import StreamResultContextManager
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.types.execution import StreamExecutionResult

from graph.api.limits import MAX_TOKENS, DocumentLimits
from graph.core.errors import DomainError, RateLimited
from graph.core.telemetry import API_ERRORS, API_SECONDS, SUBSCRIPTIONS

_CACHE_ENTRIES: Final = 256
_CACHE_TEXT: Final = 16_384
_DEVELOPMENT_RULES: Final = (*specified_rules, DocumentLimits)
_PRODUCTION_RULES: Final = (*specified_rules, NoSchemaIntrospectionCustomRule, DocumentLimits)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Prepared:
    """A document, its errors once validated, and the label of its metrics."""

    document: DocumentNode
    errors: list[GraphQLError] | None = None
    label: str = "invalid"


_cache: OrderedDict[tuple[int, str], _Prepared] = OrderedDict()


class Operations(SchemaExtension):
    """See the module; `introspection` is off in production."""

    def __init__(self, *, introspection: bool) -> None:
        super().__init__()
        self._rules = _DEVELOPMENT_RULES if introspection else _PRODUCTION_RULES
        self._prepared: _Prepared | None = None
        self._streamed = False

    def on_operation(self) -> Iterator[None]:
        """Time and mask the whole operation, and name the span of its request."""
        started = time.perf_counter()
        yield
        kind, label = self._kind(), self._prepared.label if self._prepared else "invalid"
        if kind == "subscription":
            if label != "invalid":
                SUBSCRIPTIONS.labels(label).dec()
        else:
            # the request's span is the middleware's; sockets open none, their life is no unit of work
            trace.get_current_span().update_name(f"{kind} {label}")
            API_SECONDS.labels(label, kind).observe(time.perf_counter() - started)
        result = self.execution_context.result
        if not self._streamed and result is not None:
            self._process(result, label)

    def mask(self, result: StreamExecutionResult) -> None:
        """Mask a result of a subscription before it leaves."""
        self._streamed = True
        self._process(result, self._prepared.label if self._prepared else "invalid")

    def on_parse(self) -> Iterator[None]:
        """Parse, or take the document from the cache."""
        context = self.execution_context
        text = context.query or ""
        key = (id(context.schema), text)
        prepared = _cache.get(key)
        if prepared is None:
            # Strawberry parses again what fails here: an error that leaves this hook would escape `on_operation`
            context.parse_options["max_tokens"] = MAX_TOKENS
            try:
                prepared = _Prepared(parse(text, max_tokens=MAX_TOKENS))
            except GraphQLError:
                yield
                return
            if len(text) <= _CACHE_TEXT:
                _cache[key] = prepared
                if len(_cache) > _CACHE_ENTRIES:
                    _cache.popitem(last=False)
        else:
            _cache.move_to_end(key)
        self._prepared = prepared
        context.graphql_document = prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Validate, or take the outcome from the cache."""
        context, prepared = self.execution_context, self._prepared
        if prepared is not None:
            if prepared.errors is None:
                prepared.errors = validate(context.schema._schema, prepared.document, self._rules)
                prepared.label = "invalid" if prepared.errors else _label(prepared.document)
            # errors are completed per request, so the cached ones are copied
            context.pre_execution_errors = list(prepared.errors)
            if not prepared.errors and self._kind() == "subscription":
                SUBSCRIPTIONS.labels(prepared.label).inc()
        yield

    def _kind(self) -> str:
        try:
            return self.execution_context.operation_type.value.lower()
        except RuntimeError:
            return "invalid"

    def _process(self, result: Any, label: str) -> None:
        errors = getattr(result, "errors", None)
        if errors:
            result.errors = [self._present(error, label) for error in errors]

    def _present(self, error: GraphQLError, label: str) -> GraphQLError:
        """Return what the client sees: domain errors with their code, mistakes of the document, or a masked bug."""
        original = error.original_error
        while isinstance(original, GraphQLError) and original.original_error is not None:
            original = original.original_error
        extensions: dict[str, Any] = dict(error.extensions or {})
        message = error.message
        if isinstance(original, DomainError):
            message = original.message
            # of mutations, only top-level errors come here: the others are answers, noted where they become ones
            self.execution_context.context.note_refusal(original, label)
            extensions = {"code": original.code}
            if original.path:
                extensions["path"] = original.path
            if isinstance(original, RateLimited):
                extensions["retryAfter"] = original.retry_after
        elif original is None or isinstance(original, GraphQLError):
            fallback = "GRAPHQL_PARSE_FAILED" if isinstance(error, GraphQLSyntaxError) else "GRAPHQL_VALIDATION_FAILED"
            extensions.setdefault("code", fallback)
        else:
            request_id = structlog.contextvars.get_contextvars().get("request_id")
            log.error("unexpected_error", operation=label, path=error.path, exc_info=original)
            message = "Something went wrong on our side. Give the request id to your administrator."
            extensions = {"code": "INTERNAL_ERROR"}
            if request_id:
                extensions["requestId"] = request_id
        API_ERRORS.labels(label, extensions["code"]).inc()
        return GraphQLError(
            message,
            nodes=error.nodes,
            source=error.source,
            positions=error.positions,
            path=error.path,
            extensions=extensions,
        )


class Runner(SchemaExtensionsRunner):
    """Runs the one extension; results of subscriptions meet it by a call instead of three context managers each."""

    def on_stream_result(self, result: StreamExecutionResult) -> StreamResultContextManager:
        """Mask the result at once."""
        for extension in self.extensions:
            if isinstance(extension, Operations):
                extension.mask(result)
        return _NOTHING


class _Nothing(StreamResultContextManager):
    """What is left to do around a result."""

    def __init__(self) -> None:
        pass

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass


_NOTHING: Final = _Nothing()


def _label(document: DocumentNode) -> str:
    """Label of a valid document: its root field. Names that clients choose would grow the metrics without bound."""
    names: set[str] = set()
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            for selection in node.selection_set.selections:
                names.add(selection.name.value if isinstance(selection, FieldNode) else "fragment")
    return names.pop() if len(names) == 1 else "several"
