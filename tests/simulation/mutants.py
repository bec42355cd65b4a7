"""Mutants: guards of the production code, removed one at a time, to see that somebody notices.

Nothing is edited on disk.  A function is read as it stands, a piece of it is replaced, and while
the mutant lives the function runs that code instead: whoever holds the function, under whatever
name it was imported, runs it too.
"""

import ast
import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from textwrap import dedent
from types import CodeType, FunctionType
from typing import Any, Self

REACHED = "_mutant_reached"
"""By this name, while a mutant lives, a patched function says that it was called."""


class MissingPatchPointError(Exception):
    """The production code is not, or no longer, what a mutant was made for."""


@dataclass(frozen=True)
class Edit:
    """In the function at `place` ("module:Class.method"), `before` stands once and becomes `after`."""

    place: str
    before: str
    after: str = ""

    def function(self) -> FunctionType:
        """Find the function itself, whatever it is wrapped in.

        :raises MissingPatchPointError: if there is none.
        """
        module, _, path = self.place.partition(":")
        found: Any = import_module(module)
        try:
            for name in path.split("."):
                found = vars(found)[name]
        except KeyError as error:
            raise MissingPatchPointError(self.place) from error
        if isinstance(found, property):
            found = found.fget
        if isinstance(found, classmethod | staticmethod):
            found = found.__func__
        # Chalice wraps the handlers of a Blueprint in objects of its own.
        found = inspect.unwrap(getattr(found, "func", found))
        if not isinstance(found, FunctionType):
            raise MissingPatchPointError(self.place)
        return found

    def done_to(self, source: str) -> str:
        """Replace the piece.

        :raises MissingPatchPointError: if there is no such piece, or more than one.
        """
        if source.count(self.before) != 1:
            raise MissingPatchPointError(f"{self.place}: {source.count(self.before)} times")
        return source.replace(self.before, self.after)


@dataclass(frozen=True)
class Constant:
    """The attribute at `place` ("module:name") is another value."""

    place: str
    value: Any

    def holder(self) -> tuple[Any, str]:
        """Find the module and the name in it.

        :raises MissingPatchPointError: if it is not there, or has the value already.
        """
        module, _, name = self.place.partition(":")
        holder = import_module(module)
        if name not in vars(holder) or getattr(holder, name) == self.value:
            raise MissingPatchPointError(self.place)
        return holder, name


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One guard taken away; `guard` says which, in one sentence.

    `net` names the mutant of the second guard that catches what this one lets through: alone it
    changes nothing that lasts, together they must be noticed.  `same_because` says why no
    difference can exist, where that is so.
    """

    name: str
    area: str
    guard: str
    patches: tuple[Edit | Constant, ...]
    net: str = ""
    same_because: str = ""


def asleep(mutant: Mutant) -> Mutant:
    """Give a mutant that changes nothing: it only tells where it would have."""
    edits = (patch for patch in mutant.patches if isinstance(patch, Edit))
    return replace(mutant, patches=tuple(replace(edit, after=edit.before) for edit in edits))


class Living:
    """Mutants in force, until they are lifted; `reached` are the places that were run.

    :raises MissingPatchPointError: if the production code is not what they were made for.
    """

    def __init__(self, *mutants: Mutant) -> None:
        patches = [patch for mutant in mutants for patch in mutant.patches]
        self.reached: set[str] = set()
        self._constants = [
            (*patch.holder(), patch.value) for patch in patches if isinstance(patch, Constant)
        ]
        edits: dict[str, list[Edit]] = {}
        for patch in patches:
            if isinstance(patch, Edit):
                edits.setdefault(patch.place, []).append(patch)
        self.places = tuple(edits)
        self._codes = [self._rewritten(place, pieces) for place, pieces in edits.items()]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._apply()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let the production code be itself for a while: it is to judge what the mutant did."""
        self._stack.close()
        try:
            yield
        finally:
            self._apply()

    def _apply(self) -> None:
        for function, name, code in self._codes:
            self._stack.callback(function.__globals__.pop, REACHED, None)
            self._stack.callback(setattr, function, name, function.__code__)
            function.__globals__[REACHED] = self.reached.add
            function.__code__ = code
        for holder, name, value in self._constants:
            self._stack.callback(setattr, holder, name, getattr(holder, name))
            setattr(holder, name, value)

    def _rewritten(self, place: str, edits: Sequence[Edit]) -> tuple[FunctionType, str, CodeType]:
        """Compile the function with its pieces replaced; first of all it tells that it is run."""
        function = edits[0].function()
        source = dedent(inspect.getsource(function))
        for edit in edits:
            source = edit.done_to(source)
        tree = ast.parse(source)
        made = tree.body[0]
        if not isinstance(made, ast.FunctionDef):
            raise MissingPatchPointError(place)
        made.decorator_list = []
        made.body[:0] = ast.parse(f"{REACHED}({place!r})").body
        names = dict(function.__globals__)
        exec(compile(tree, f"<mutant of {place}>", "exec"), names)  # noqa: S102  our own source
        code: CodeType = names[made.name].__code__
        if code.co_freevars != function.__code__.co_freevars:
            raise MissingPatchPointError(f"{place} closes over something")
        return function, "__code__", code


def mutant(
    area: str,
    name: str,
    guard: str,
    *patches: Edit | Constant,
    net: str = "",
    same_because: str = "",
) -> Mutant:
    """Write a mutant down in a line."""
    return Mutant(
        name=name, area=area, guard=guard, patches=patches, net=net, same_because=same_because
    )
