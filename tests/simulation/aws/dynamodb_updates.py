"""What updates mean: actions made into a function from the item before to the item after.

Every right-hand side sees the item before the update, and list indexes are those of before.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.simulation.aws.dynamodb_conditions import (
    TYPE_NAMES,
    Check,
    Getter,
    Values,
    found_at,
    getter,
    kind_of,
    path_getter,
)
from tests.simulation.aws.dynamodb_refusals import InvalidError
from tests.simulation.aws.dynamodb_trees import Action, Call, Node, Operand, Path, Sum
from tests.simulation.aws.dynamodb_values import SETS, Item, Value, added, copied, in_order
from tests.simulation.aws.expressions import Text

NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
NO_PATH = "The document path provided in the update expression is invalid for update"
ADDABLE = frozenset(("N", *SETS))
FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
Update = Callable[[Item, Values], Item]
Change = Callable[[Item, Values], Value | None]
"""The value an attribute is to have; None: it is to go."""


def update(actions: list[Action], text: Text, checks: list[Check]) -> Update:
    """Make the function of an update."""
    changes = [(action.path, _change(action, text, checks)) for action in actions]
    if all(len(path.parts) == 1 for path, _ in changes):
        return partial(_updated_flat, [(path.parts[0], change) for path, change in changes])
    return partial(_updated_deep, changes)


def _updated_flat(changes: list[tuple[Any, Change]], before: Item, values: Values) -> Item:
    after = before.copy()
    for name, change in changes:
        value = change(before, values)
        if value is not None:
            after[name] = value
        else:
            after.pop(name, None)
    return after


def _updated_deep(changes: list[tuple[Path, Change]], before: Item, values: Values) -> Item:
    after = before.copy()
    for name in {path.parts[0] for path, _ in changes if len(path.parts) > 1}:
        if name in after:
            after[name] = copied(after[name])
    found = [(path, change(before, values)) for path, change in changes]
    removed: list[tuple[list[Value], int]] = []
    appended: list[tuple[int, list[Value], Value]] = []
    for path, value in found:
        holder, last = _holder(after, path), path.parts[-1]
        if type(last) is not int:
            _put(holder, last, value)
        elif value is None:
            if last < len(holder):
                removed.append((holder, last))
        elif last < len(holder):
            holder[last] = value
        else:
            appended.append((last, holder, value))
    for holder, last in sorted(removed, key=lambda each: -each[1]):
        del holder[last]
    for _, holder, value in sorted(appended, key=lambda each: each[0]):
        holder.append(value)
    return after


def _holder(item: Item, path: Path) -> Any:
    """Find the map or list that the path's last step leads into."""
    if len(path.parts) == 1:
        return item
    value = found_at(item, Path(path.parts[:-1]))
    wanted = "L" if type(path.parts[-1]) is int else "M"
    if value is None or wanted not in value:
        raise InvalidError(NO_PATH)
    return value[wanted]


def _put(holder: Item, name: Any, value: Value | None) -> None:
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value


# --- one action -----------------------------------------------------------------------------


def _change(action: Action, text: Text, checks: list[Check]) -> Change:
    if action.section == "REMOVE":
        return lambda _before, _values: None
    node = action.value
    if action.section == "SET":
        return _right_side(node, text, checks)
    name = node.name
    checks.append(partial(_check_collection, action.section, name, text.label))
    get = path_getter(action.path)
    if action.section == "ADD":
        return lambda before, values: _sum(get(before, values), values[name])
    return lambda before, values: _difference(get(before, values), values[name])


def _check_collection(section: str, name: str, label: str, values: Values) -> None:
    kind = kind_of(values[name])
    if kind not in (ADDABLE if section == "ADD" else SETS):
        raise InvalidError(
            f"Invalid {label}: Incorrect operand type for operator or function; "
            f"operator: {section}, operand type: {TYPE_NAMES[kind]}"
        )


def _sum(before: Value | None, more: Value) -> Value:
    if before is None:
        return more
    ((kind, held),) = more.items()
    if kind not in before:
        raise InvalidError(WRONG_TYPE)
    if kind == "N":
        return {"N": added(before["N"], held)}
    return {kind: in_order(kind, list({*before[kind], *held}))}


def _difference(before: Value | None, less: Value) -> Value | None:
    if before is None:
        return None
    ((kind, held),) = less.items()
    if kind not in before:
        raise InvalidError(WRONG_TYPE)
    left = [element for element in before[kind] if element not in held]
    return {kind: left} if left else None


# --- right-hand sides -----------------------------------------------------------------------


def _right_side(node: Node, text: Text, checks: list[Check]) -> Change:
    if isinstance(node, Operand):
        name = node.name
        return lambda _before, values: values[name]
    if isinstance(node, Sum):
        return _arithmetic(node, text, checks)
    return _operand(node, text, checks)


def _operand(node: Node, text: Text, checks: list[Check]) -> Getter:
    """Make what gives an operand that must be there."""
    if isinstance(node, Call):
        return _function(node, text, checks)
    if isinstance(node, Operand):
        return getter(node, text, checks)
    get = getter(node, text, checks)

    def present(before: Item, values: Values) -> Value:
        value = get(before, values)
        if value is None:
            raise InvalidError(NO_ATTRIBUTE)
        return value

    return present


def _arithmetic(node: Sum, text: Text, checks: list[Check]) -> Change:
    left, right = _operand(node.left, text, checks), _operand(node.right, text, checks)
    checks.extend(
        partial(_check_operand, node.sign, operand.name, "N", text.label)
        for operand in (node.left, node.right)
        if isinstance(operand, Operand)
    )
    sign = 1 if node.sign == "+" else -1

    def computed(before: Item, values: Values) -> Value:
        one, other = left(before, values), right(before, values)
        try:
            return {"N": added(one["N"], other["N"], sign)}
        except KeyError:
            raise InvalidError(WRONG_TYPE) from None

    return computed


def _check_operand(named: str, name: str, wanted: str, label: str, values: Values) -> None:
    kind = kind_of(values[name])
    if kind != wanted:
        raise InvalidError(
            f"Invalid {label}: Incorrect operand type for operator or function; "
            f"operator or function: {named}, operand type: {kind}"
        )


def _function(node: Call, text: Text, checks: list[Check]) -> Getter:
    if node.function not in FUNCTIONS:
        text.refuse(f"Invalid function name; function: {node.function}")
    if len(node.arguments) != FUNCTIONS[node.function]:
        text.refuse(
            "Incorrect number of operands for operator or function; "
            f"operator or function: {node.function}, number of operands: {len(node.arguments)}"
        )
    return _MADE[node.function](node, text, checks)


def _if_not_exists(node: Call, text: Text, checks: list[Check]) -> Getter:
    path, otherwise = node.arguments
    if not isinstance(path, Path):
        text.refuse(
            f"Operator or function requires a document path; operator or function: {node.function}"
        )
    get, instead = path_getter(path), _operand(otherwise, text, checks)

    def first(before: Item, values: Values) -> Value | None:
        value = get(before, values)
        return instead(before, values) if value is None else value

    return first


def _list_append(node: Call, text: Text, checks: list[Check]) -> Getter:
    one, other = (_operand(argument, text, checks) for argument in node.arguments)
    checks.extend(
        partial(_check_operand, "list_append", operand.name, "L", text.label)
        for operand in node.arguments
        if isinstance(operand, Operand)
    )

    def joined(before: Item, values: Values) -> Value:
        left, right = one(before, values), other(before, values)
        try:
            return {"L": [*left["L"], *right["L"]]}
        except KeyError:
            raise InvalidError(WRONG_TYPE) from None

    return joined


_MADE: Mapping[str, Callable[[Call, Text, list[Check]], Getter]] = {
    "if_not_exists": _if_not_exists,
    "list_append": _list_append,
}


# --- parts of an item -----------------------------------------------------------------------


def projected(paths: list[Path], item: Item) -> Item:
    """Give these paths of an item and nothing else; list elements close up."""
    if all(len(path.parts) == 1 for path in paths):
        names = [path.parts[0] for path in paths]
        return {name: copied(item[name]) for name in names if name in item}
    chosen: dict[Any, Any] = {}
    for path in paths:
        value = found_at(item, path)
        if value is None:
            continue
        branch = chosen
        for part in path.parts[:-1]:
            branch = branch.setdefault(part, {})
        branch[path.parts[-1]] = _Leaf(copied(value))
    return {name: _assembled(branch) for name, branch in chosen.items()}


class _Leaf:
    def __init__(self, value: Value) -> None:
        self.value = value


def _assembled(branch: Any) -> Value:
    if isinstance(branch, _Leaf):
        return branch.value
    if any(type(part) is int for part in branch):
        return {"L": [_assembled(branch[index]) for index in sorted(branch)]}
    return {"M": {name: _assembled(each) for name, each in branch.items()}}
