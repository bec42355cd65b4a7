"""PynamoDB as it is, only faster: what it looks up anew for every row is looked up once.

The simulation reads some hundred rows a day through it, and half of its time went there.  Nothing
is different but the time (tests/simulation/test_quick.py holds both against each other).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from pynamodb.attributes import Attribute, MapAttribute
from pynamodb.connection.base import Connection
from pynamodb.constants import NULL
from pynamodb.models import Model

NAME = "_name_in_python"
_slow_get, _slow_set = Attribute.__get__, Attribute.__set__


@cache
def _columns(kind: type[Any]) -> tuple[tuple[str, str, Attribute[Any]], ...]:
    """List a row's attributes: name in DynamoDB, name in Python, and how to read it."""
    return tuple((attr.attr_name, name, attr) for name, attr in kind.get_attributes().items())


@cache
def _defaults(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, attr.default)
        for name, attr in kind.get_attributes().items()
        if attr.default is not None
    )


def _instantiate(kind: type[Any], stored: dict[str, Any]) -> Any:
    """Make a row of what is stored."""
    row = kind.__new__(kind)
    values: dict[str, Any] = {
        name: default() if callable(default) else default for name, default in _defaults(kind)
    }
    row.__dict__["attribute_values"] = values
    for stored_name, name, attr in _columns(kind):
        value = stored.get(stored_name)
        if value and NULL not in value:
            read = attr.deserialize(attr.get_value(value))
            if isinstance(attr, MapAttribute):
                setattr(row, name, read)  # it makes a map of its own of what it is given
            else:
                values[name] = read
    return row


def _named(attr: Attribute[Any], row: Model) -> str:
    """Look an attribute's name in Python up, and keep it with the attribute."""
    stored = attr.attr_path[-1]
    name: str = row._dynamo_to_python_attrs.get(stored, stored)
    attr.__dict__[NAME] = name
    return name


def _get(attr: Attribute[Any], instance: Any, owner: Any) -> Any:
    if instance is None:
        return attr
    if isinstance(instance, Model):
        return instance.attribute_values.get(attr.__dict__.get(NAME) or _named(attr, instance))
    return _slow_get(attr, instance, owner)


def _set(attr: Attribute[Any], instance: Any, value: Any) -> None:
    if isinstance(instance, Model):
        instance.attribute_values[attr.__dict__.get(NAME) or _named(attr, instance)] = value
    else:
        _slow_set(attr, instance, value)


def _dispatch(connection: Any, operation: str, parameters: dict[str, Any]) -> Any:
    """Call, and leave out the signals that nobody listens to."""
    return connection._make_api_call(operation, parameters)


@contextmanager
def quick() -> Iterator[None]:
    """Read and write rows faster, while it lasts."""
    places: list[tuple[Any, str, Any]] = [
        (Model, "_instantiate", classmethod(_instantiate)),
        (Attribute, "__get__", _get),
        (Attribute, "__set__", _set),
        (Connection, "dispatch", _dispatch),
    ]
    before = [(place, name, place.__dict__.get(name)) for place, name, _ in places]
    try:
        for place, name, stand_in in places:
            setattr(place, name, stand_in)
        yield
    finally:
        for place, name, real in before:
            if real is None:
                delattr(place, name)
            else:
                setattr(place, name, real)
