"""DynamoDB's expressions: read into trees, with names put in and everything refused that AWS does.

What the trees mean is in dynamodb_conditions.py and dynamodb_updates.py; here is the grammar.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import NoReturn

from tests.simulation.aws.dynamodb_refusals import InvalidError
from tests.simulation.aws.dynamodb_trees import (
    Action,
    Between,
    Call,
    Comparison,
    Junction,
    Membership,
    Negation,
    Node,
    Operand,
    Path,
    Sum,
)

RESERVED = frozenset(
    FilePath(__file__).with_name("dynamodb_reserved_words.txt").read_text().split()
)
BYTES_MAX = 4096
OPERATORS_MAX = 300
OPTIONS_MAX = 100
INDEX_MAX_DIGITS = 9
TOKEN = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)"
    r"|(?P<index>[0-9]+)|(?P<sign><>|<=|>=|[<>=(),.\[\]+-]))",
    re.ASCII,
)
COMPARATORS = frozenset(("=", "<>", "<", "<=", ">", ">="))
CONDITIONS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")


@dataclass(slots=True)
class Text:
    """One expression, and how far it is read."""

    label: str
    source: str
    names: Mapping[str, str]
    names_used: set[str]
    values_used: dict[str, str]
    """Which value placeholders were used, and in which expression."""

    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0
    operators: int = 0

    def __post_init__(self) -> None:
        if not self.source.strip():
            self.refuse("The expression can not be empty;")
        if len(self.source.encode()) > BYTES_MAX:
            self.refuse(
                "Expression size has exceeded the maximum allowed size; "
                f"expression size: {len(self.source.encode())}"
            )
        position, end = 0, len(self.source.rstrip())
        while position < end:
            found = TOKEN.match(self.source, position)
            if found is None:
                self._syntax(self.source[position:].lstrip()[0], position)
            kind = str(found.lastgroup)
            self.tokens.append((kind, found[kind], found.start(kind)))
            position = found.end()
        self.tokens.append(("end", "<EOF>", end))

    def refuse(self, what: str) -> NoReturn:
        raise InvalidError(f"Invalid {self.label}: {what}")

    def _syntax(self, token: str, position: int) -> NoReturn:
        near = self.source[max(0, position - 10) : position + len(token) + 10].strip()
        self.refuse(f'Syntax error; token: "{token}", near: "{near}"')

    # --- tokens -------------------------------------------------------------------------

    def unexpected(self) -> NoReturn:
        _, token, position = self.tokens[self.at]
        self._syntax(token, position)

    def takes(self, *tokens: str) -> str | None:
        """Step over one of these tokens (a sign, or a keyword in capitals), if it comes next."""
        kind, token, _ = self.tokens[self.at]
        found = token.upper() if kind == "word" else token
        if kind in {"word", "sign"} and found in tokens:
            self.at += 1
            return found
        return None

    def needs(self, token: str) -> None:
        if self.takes(token) is None:
            self.unexpected()

    def ends(self) -> None:
        if self.tokens[self.at][0] != "end":
            self.unexpected()

    def counts(self) -> None:
        """Count an operator."""
        self.operators += 1
        if self.operators > OPERATORS_MAX:
            self.refuse(
                "The expression contains more operators than the maximum allowed; "
                f"maximum operators: {OPERATORS_MAX}"
            )

    # --- operands -----------------------------------------------------------------------

    def operand(self) -> Node:
        """Read a path, a value or a function."""
        kind, token, _ = self.tokens[self.at]
        if kind == "value":
            self.at += 1
            self.values_used.setdefault(token, self.label)
            return Operand(token)
        if kind == "word" and self.tokens[self.at + 1][1] == "(":
            return self.call()
        return self.path()

    def call(self) -> Call:
        function = self.tokens[self.at][1]
        self.at += 1
        self.needs("(")
        arguments = [self.operand()]
        while self.takes(","):
            arguments.append(self.operand())
        self.needs(")")
        self.counts()
        return Call(function, tuple(arguments))

    def path(self) -> Path:
        parts: list[str | int] = [self._name()]
        while mark := self.takes(".", "["):
            if mark == ".":
                parts.append(self._name())
                continue
            kind, token, _ = self.tokens[self.at]
            if kind != "index":
                self.unexpected()
            if len(token) > INDEX_MAX_DIGITS:
                self.refuse(f"List index is not within the allowable range; index: [{token}]")
            self.at += 1
            self.needs("]")
            parts.append(int(token))
        return Path(tuple(parts))

    def _name(self) -> str:
        kind, token, _ = self.tokens[self.at]
        if kind == "name":
            self.names_used.add(token)
            if token not in self.names:
                self.refuse(
                    "An expression attribute name used in the document path is not defined; "
                    f"attribute name: {token}"
                )
            self.at += 1
            return self.names[token]
        if kind != "word":
            self.unexpected()
        if token.upper() in RESERVED:
            self.refuse(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        self.at += 1
        return token


def read_paths(text: Text) -> list[Path]:
    """Read a ProjectionExpression."""
    paths = [text.path()]
    while text.takes(","):
        paths.append(text.path())
    text.ends()
    for number, one in enumerate(paths):
        for other in paths[:number]:
            check_apart(text, other, one)
    return paths


def check_apart(text: Text, one: Path, other: Path) -> None:
    """Refuse two paths of which one holds the other, or that cannot both be."""
    told = f"path one: {one}, path two: {other}"
    for mine, theirs in zip(one.parts, other.parts, strict=False):
        if mine == theirs:
            continue
        if type(mine) is not type(theirs):
            text.refuse(
                "Two document paths conflict with each other; "
                f"must remove or rewrite one of these paths; {told}"
            )
        return
    text.refuse(
        "Two document paths overlap with each other; "
        f"must remove or rewrite one of these paths; {told}"
    )


# --- conditions -----------------------------------------------------------------------------


def read_condition(text: Text) -> Node:
    """Read a condition, a filter or a key condition."""
    node = _either(text)
    text.ends()
    return node


def _either(text: Text) -> Node:
    node = _both(text)
    while text.takes("OR"):
        text.counts()
        node = Junction("OR", node, _both(text))
    return node


def _both(text: Text) -> Node:
    node = _negated(text)
    while text.takes("AND"):
        text.counts()
        node = Junction("AND", node, _negated(text))
    return node


def _negated(text: Text) -> Node:
    if text.takes("NOT"):
        text.counts()
        return Negation(_negated(text))
    return _single(text)


def _single(text: Text) -> Node:
    if text.takes("("):
        is_doubled = text.tokens[text.at][1] == "("
        start = text.at
        node = _either(text)
        if is_doubled and _closes(text, start) == text.at - 1:
            text.refuse("The expression has redundant parentheses;")
        text.needs(")")
        return node
    node = text.operand()
    if isinstance(node, Call) and node.function in CONDITIONS:
        return node
    return _compared(text, node)


def _closes(text: Text, opening: int) -> int:
    """Find where a parenthesis closes."""
    depth = 0
    for at in range(opening, len(text.tokens)):
        depth += {"(": 1, ")": -1}.get(text.tokens[at][1], 0)
        if depth == 0:
            return at
    return -1


def _compared(text: Text, node: Node) -> Node:
    if operator := text.takes(*COMPARATORS):
        text.counts()
        return Comparison(operator, node, text.operand())
    if text.takes("BETWEEN"):
        text.counts()
        low = text.operand()
        text.needs("AND")
        return Between(node, low, text.operand())
    if text.takes("IN"):
        text.counts()
        text.needs("(")
        options = [text.operand()]
        while text.takes(","):
            options.append(text.operand())
        text.needs(")")
        if len(options) > OPTIONS_MAX:
            text.refuse(
                "The IN operator is provided with too many operands; "
                f"number of operands: {len(options)}"
            )
        return Membership(node, tuple(options))
    return text.unexpected()


# --- updates --------------------------------------------------------------------------------


def read_update(text: Text) -> list[Action]:
    """Read an UpdateExpression."""
    actions: list[Action] = []
    sections: set[str] = set()
    while section := text.takes(*SECTIONS):
        if section in sections:
            text.refuse(f'The "{section}" section can only be used once in an update expression;')
        sections.add(section)
        read = _ACTIONS[section]
        actions.append(read(text))
        while text.takes(","):
            actions.append(read(text))
    text.ends()
    for number, one in enumerate(actions):
        for other in actions[:number]:
            check_apart(text, other.path, one.path)
    return actions


def _set(text: Text) -> Action:
    path = text.path()
    text.needs("=")
    value = text.operand()
    if sign := text.takes("+", "-"):
        text.counts()
        value = Sum(sign, value, text.operand())
    return Action("SET", path, value)


def _remove(text: Text) -> Action:
    return Action("REMOVE", text.path())


def _with_value(section: str) -> Callable[[Text], Action]:
    def read(text: Text) -> Action:
        path = text.path()
        kind = text.tokens[text.at][0]
        if kind != "value":
            text.unexpected()
        return Action(section, path, text.operand())

    return read


_ACTIONS: dict[str, Callable[[Text], Action]] = {
    "SET": _set,
    "REMOVE": _remove,
    "ADD": _with_value("ADD"),
    "DELETE": _with_value("DELETE"),
}
