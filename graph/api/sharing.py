"""One execution for all who follow the same: an event that a thousand sockets wait for is resolved once per process.

The streams hand the same row to everybody who waits for it (`graph/subscriptions/streams.py`). Where the selection
cannot depend on who asks, the answer made of that row for one of them is everybody's. Whether it can is read off the
schema: resolvers that want to know take `info`, so a selection without such resolvers is a function of the event alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution import Executor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

_SHAREABLE: Final = "_shareable_as"

R = TypeVar("R")
T = TypeVar("T")

_Question = tuple[int, bytes]
_Answers = dict[_Question, tuple[OperationDefinitionNode, ExecutionResult]]
# By row, by what is asked of it: the operation, held so that its number stays its own, and the answer; go with the row.
_answers: WeakKeyDictionary[Any, _Answers] = WeakKeyDictionary()


@dataclass(slots=True)
class _Event:
    """A row, and how the object of the schema is made of it, by whoever asks first."""

    row: Any
    make: Callable[[Any], Any]


def event(row: R, make: Callable[[R], T]) -> T:
    """Return what a subscription shall yield for `make(row)`, which must depend on the row alone."""
    return cast("T", _Event(row, make))


class _Answered:
    """Stands in for the executor of an event whose answer is known."""

    def __init__(self, answer: ExecutionResult) -> None:
        self._answer = answer

    def execute_operation(self, _serially: bool | None = None) -> ExecutionResult:
        return self._answer


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes an event of a subscription unless somebody's equal answer to the same event is there."""

    # where the answer goes that this executor makes, if it may be anybody's
    _kept: _Answers | None = None

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Return what answers for an event: see the class."""
        if not isinstance(payload, _Event):
            return super().build_per_event_executor(payload)
        question = self._question()
        known = None if question is None else _answers.setdefault(payload.row, {})
        if known is not None and question in known:
            return cast("Executor[Any]", _Answered(known[question][1]))
        executor = super().build_per_event_executor(payload.make(payload.row))
        if isinstance(executor, SharingExecutor):
            executor._kept = known
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Return the answer; it is kept for others unless it has errors or is asynchronous."""
        answer = super().execute_operation(serially)
        if self._kept is not None and isinstance(answer, ExecutionResult) and not answer.errors:
            question = self._question()
            if question is not None:
                self._kept[question] = (self.operation, answer)
        return answer

    def _question(self) -> _Question | None:
        """What is asked, None when the answer may depend on who asks.

        Documents are cached by their text (`extension.py`), so equal operations are the same object.
        """
        found: _Question | bool | None = self.__dict__.get(_SHAREABLE, False)
        if isinstance(found, bool):
            found = None
            fragments = self.fragment_definitions
            root = self.schema.subscription_type
            if root is not None and _by_event_alone(self.schema, root, self.operation.selection_set, fragments):
                given = {name: repr(value) for name, value in sorted(self.variable_values.coerced.items())}
                found = (id(self.operation), orjson.dumps(given))
            self.__dict__[_SHAREABLE] = found
        return found


def _by_event_alone(
    schema: GraphQLSchema,
    parent: GraphQLObjectType,
    selections: SelectionSetNode,
    fragments: dict[str, FragmentDefinitionNode],
    *,
    root: bool = True,
) -> bool:
    """Tell whether no resolver of the selection takes `info`; of abstract types, nothing is known beforehand."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            if node.name.value.startswith("__"):
                continue
            field = parent.fields.get(node.name.value)
            if field is None:
                return False
            # the root's resolver has made the stream; of an event it returns the event
            if not root and not _is_attribute(field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)):
                return False
            inner = get_named_type(field.type)
            if node.selection_set is None:
                continue
            if not isinstance(inner, GraphQLObjectType):
                return False
            if not _by_event_alone(schema, inner, node.selection_set, fragments, root=False):
                return False
        else:
            if isinstance(node, FragmentSpreadNode):
                found = fragments.get(node.name.value)
                inner_set = None if found is None else found.selection_set
                condition = None if found is None else found.type_condition
            elif isinstance(node, InlineFragmentNode):
                inner_set, condition = node.selection_set, node.type_condition
            else:
                return False
            if inner_set is None or (condition is not None and condition.name.value != parent.name):
                return False
            if not _by_event_alone(schema, parent, inner_set, fragments, root=root):
                return False
    return True


def _is_attribute(field: Any) -> bool:
    """Tell whether a field is an attribute, or a resolver that takes nothing but the object."""
    if not isinstance(field, StrawberryField) or field.permission_classes or field.extensions:
        return False
    resolver = field.base_resolver
    return resolver is None or (resolver.info_parameter is None and not resolver.is_async)
