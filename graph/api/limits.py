"""Limits of documents, as validation rules made once (a rule made per request would defeat the validation cache).

Counted over whole documents with fragments expanded: depth, aliases, root fields that must stand alone, and a cost in
which each list multiplies what stands below it by its `first`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)

MAX_DEPTH: Final = 12
MAX_ALIASES: Final = 20
MAX_TOKENS: Final = 4000
MAX_COST: Final = 25_000
MAX_ROOT_FIELDS: Final = 20
# introspection nests deep and multiplies nothing that costs
_INTROSPECTION: Final = frozenset({"__schema", "__type"})
# each of these may stand at most once in a document: aliases would get around the log-in rate limit
ALONE: Final = frozenset(
    {"logIn", "confirmLogIn", "register", "refreshSession", "requestPasswordReset", "resetPassword"}
)


class DocumentLimits(ValidationRule):
    """Refuses documents over a limit; runs once per distinct document."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._fragments = {
            node.name.value: node for node in context.document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._aliases = 0
        self._spent = 0
        self._alone = 0
        for node in context.document.definitions:
            if isinstance(node, OperationDefinitionNode):
                self._check(node, context)

    def _check(self, operation: OperationDefinitionNode, context: ValidationContext) -> None:
        try:
            roots = list(self._fields(operation.selection_set, ()))
            if len(roots) > MAX_ROOT_FIELDS:
                raise _OverLimit(f"An operation may have {MAX_ROOT_FIELDS} root fields; this one has {len(roots)}.")
            if operation.operation is OperationType.MUTATION:
                self._alone += sum(field.name.value in ALONE for field in roots)
                if self._alone > 1:
                    raise _OverLimit("A document may log in, register, refresh or reset once.")
            self._walk(operation.selection_set, 1, 1, ())
        except _OverLimit as over:
            context.report_error(
                GraphQLError(str(over), nodes=[operation], extensions={"code": "DOCUMENT_LIMIT_EXCEEDED"})
            )

    def _fields(self, selection: SelectionSetNode, seen: tuple[str, ...]) -> Iterator[FieldNode]:
        """Yield the fields of a selection with fragments expanded; a cycle is another rule's error."""
        for node in selection.selections:
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                if fragment is not None and node.name.value not in seen:
                    self._spend(1)
                    yield from self._fields(fragment.selection_set, (*seen, node.name.value))
            elif isinstance(node, InlineFragmentNode):
                yield from self._fields(node.selection_set, seen)

    def _walk(self, selection: SelectionSetNode, depth: int, factor: int, seen: tuple[str, ...]) -> None:
        if depth > MAX_DEPTH:
            raise _OverLimit(f"A document may nest {MAX_DEPTH} deep.")
        for field in self._fields(selection, seen):
            if field.name.value in _INTROSPECTION:
                continue
            self._spend(factor)
            if field.alias is not None and field.alias.value != field.name.value:
                self._aliases += 1
                if self._aliases > MAX_ALIASES:
                    raise _OverLimit(f"A document may use {MAX_ALIASES} aliases.")
            if field.selection_set is not None:
                self._walk(field.selection_set, depth + 1, factor * _first(field), seen)

    def _spend(self, cost: int) -> None:
        self._spent += cost
        if self._spent > MAX_COST:
            raise _OverLimit(f"The document costs more than {MAX_COST}: ask for fewer items or fewer fields at once.")


class _OverLimit(Exception):
    pass


def _first(field: FieldNode) -> int:
    """Return how many items a list field may give: its literal `first`, 100 for a variable, 1 without."""
    for argument in field.arguments or ():
        if argument.name.value == "first":
            if isinstance(argument.value, IntValueNode):
                return max(1, min(int(argument.value.value), 100))
            return 100
    return 1
