"""The expressions of one request, made into functions once for each text and set of names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws.dynamodb_conditions import (
    Check,
    Condition,
    Values,
    condition,
)
from tests.simulation.aws.dynamodb_refusals import InvalidError
from tests.simulation.aws.dynamodb_trees import (
    Between,
    Call,
    Comparison,
    Junction,
    Node,
    Operand,
    Path,
)
from tests.simulation.aws.dynamodb_updates import Update, update
from tests.simulation.aws.dynamodb_values import normal
from tests.simulation.aws.expressions import Text, read_condition, read_paths, read_update

EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
)
NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
CACHED_MAX = 4096


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """What a query wants of one key attribute: an operator and the placeholders it takes."""

    operator: str
    operands: tuple[str, ...]


@dataclass(slots=True)
class Compiled:
    """What a request's expressions do."""

    condition: Condition | None = None
    filter: Condition | None = None
    filtered: frozenset[str] = frozenset()
    """The attributes the filter looks at."""

    update: Update | None = None
    updated: list[Path] = field(default_factory=list)
    touched: frozenset[str] = frozenset()
    """The attributes the update changes, or changes something in."""

    keys: Mapping[str, KeyCondition] = field(default_factory=dict)
    projection: list[Path] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def operands(self, given: Mapping[str, Any] | None) -> Values:
        """Check and normalise the values a request gives for its placeholders.

        :raises InvalidError: if one is missing, illegal, unused, or of a type nobody compares.
        """
        if given is None:
            for name, label in self.values.items():
                raise _undefined(name, label)
            return {}
        if not given:
            raise InvalidError(f"{VALUES} must not be empty")
        values = {}
        try:
            for name, value in given.items():
                values[name] = normal(value)
        except InvalidError as error:
            raise InvalidError(
                f"ExpressionAttributeValues contains invalid value: {error.message} for key {name}"
            ) from None
        if values.keys() != self.values.keys():
            self._refuse(values)
        for check in self.checks:
            check(values)
        return values

    def _refuse(self, values: Values) -> None:
        for name, label in self.values.items():
            if name not in values:
                raise _undefined(name, label)
        unused = ", ".join(sorted(values.keys() - self.values.keys()))
        raise InvalidError(f"Value provided in {VALUES} unused in expressions: keys: {{{unused}}}")


NOTHING = Compiled()
_compiled: dict[tuple[Any, ...], Compiled] = {}


def compiled(parameters: Mapping[str, Any]) -> Compiled:
    """Compile what a request says, or remember it.

    :raises InvalidError: if an expression is none, or a name is missing or unused.
    """
    get = parameters.get
    names = get(NAMES)
    key = (
        get("UpdateExpression"),
        get("ConditionExpression"),
        get("KeyConditionExpression"),
        get("FilterExpression"),
        get("ProjectionExpression"),
        names if names is None else tuple(names.items()),
    )
    found = _compiled.get(key)
    if found is None:
        found = _compile(parameters)
        if len(_compiled) >= CACHED_MAX:
            _compiled.clear()
        _compiled[key] = found
    if found is NOTHING and VALUES in parameters:
        raise InvalidError(f"{VALUES} can only be specified when using expressions")
    return found


def _compile(parameters: Mapping[str, Any]) -> Compiled:
    names = parameters.get(NAMES)
    expressions = {
        label: parameters[label] for label in EXPRESSIONS if parameters.get(label) is not None
    }
    if not expressions:
        if names is not None:
            raise InvalidError(f"{NAMES} can only be specified when using expressions")
        return NOTHING
    if names is not None and not names:
        raise InvalidError(f"{NAMES} must not be empty")
    used: set[str] = set()
    values: dict[str, str] = {}
    made = Compiled(values=values)
    for label, source in expressions.items():
        text = Text(label, source, names or {}, used, values)
        _READERS[label](made, text)
    if unused := sorted((names or {}).keys() - used):
        raise InvalidError(
            f"Value provided in {NAMES} unused in expressions: keys: {{{', '.join(unused)}}}"
        )
    return made


def _undefined(name: str, label: str) -> InvalidError:
    return InvalidError(
        f"Invalid {label}: An expression attribute value used in expression is not defined; "
        f"attribute value: {name}"
    )


def _read_update(made: Compiled, text: Text) -> None:
    actions = read_update(text)
    made.update = update(actions, text, made.checks)
    made.updated = [action.path for action in actions]
    made.touched = frozenset(str(path.parts[0]) for path in made.updated)


def _read_condition(made: Compiled, text: Text) -> None:
    made.condition = condition(read_condition(text), text, made.checks)


def _read_filter(made: Compiled, text: Text) -> None:
    node = read_condition(text)
    made.filter = condition(node, text, made.checks)
    made.filtered = frozenset(str(path.parts[0]) for path in _paths(node))


def _read_projection(made: Compiled, text: Text) -> None:
    made.projection = read_paths(text)


def _paths(node: object) -> Iterator[Path]:
    if isinstance(node, Path):
        yield node
    elif isinstance(node, tuple):
        for each in node:
            yield from _paths(each)
    elif hasattr(node, "__slots__"):
        for name in node.__slots__:
            yield from _paths(getattr(node, name))


# --- key conditions -------------------------------------------------------------------------


def _read_keys(made: Compiled, text: Text) -> None:
    node = read_condition(text)
    condition(node, text, made.checks)
    keys: dict[str, KeyCondition] = {}
    for attribute, wanted in _key_conditions(node, text):
        if attribute in keys:
            raise InvalidError("KeyConditionExpressions must only contain one condition per key")
        keys[attribute] = wanted
    made.keys = keys


def _key_conditions(node: Node, text: Text) -> Iterator[tuple[str, KeyCondition]]:
    match node:
        case Junction("AND", left, right):
            yield from _key_conditions(left, text)
            yield from _key_conditions(right, text)
        case Comparison(operator, Path((str(name),)), Operand(value)) if operator != "<>":
            yield name, KeyCondition(operator, (value,))
        case Comparison(operator, Operand(value), Path((str(name),))) if operator != "<>":
            yield name, KeyCondition(_MIRRORED[operator], (value,))
        case Between(Path((str(name),)), Operand(low), Operand(high)):
            made = KeyCondition("BETWEEN", (low, high))
            yield name, made
        case Call("begins_with", (Path((str(name),)), Operand(prefix))):
            yield name, KeyCondition("begins_with", (prefix,))
        case _:
            text.refuse(f"Invalid operator used in KeyConditionExpression: {_operator(node)}")


def _operator(node: Node) -> str:
    match node:
        case Junction(word, _, _):
            return word
        case Comparison(operator, _, _):
            return operator
        case Call(function, _):
            return function
        case _:
            return type(node).__name__


_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_READERS = {
    "UpdateExpression": _read_update,
    "ConditionExpression": _read_condition,
    "KeyConditionExpression": _read_keys,
    "FilterExpression": _read_filter,
    "ProjectionExpression": _read_projection,
}
