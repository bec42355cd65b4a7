"""The trees expressions are read into: paths, values, conditions, and what an update does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """Where in an item: names and list indexes."""

    parts: tuple[str | int, ...]

    def __str__(self) -> str:
        return "[" + ", ".join(f"[{p}]" if type(p) is int else str(p) for p in self.parts) + "]"


@dataclass(frozen=True, slots=True)
class Operand:
    """A placeholder of a value."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function: `size` and the conditions; in updates `if_not_exists` and `list_append`."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Between:
    operand: "Node"
    low: "Node"
    high: "Node"


@dataclass(frozen=True, slots=True)
class Membership:
    operand: "Node"
    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """AND or OR of two conditions."""

    word: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Negation:
    condition: "Node"


@dataclass(frozen=True, slots=True)
class Sum:
    """`left + right`, or with a minus."""

    sign: str
    left: "Node"
    right: "Node"


Node = Path | Operand | Call | Comparison | Between | Membership | Junction | Negation | Sum


@dataclass(frozen=True, slots=True)
class Action:
    """One thing an update does, to one path."""

    section: str
    path: Path
    value: Node | None = None
