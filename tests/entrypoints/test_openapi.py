"""The API's document says what is served: no route more, no route less."""

import json
import re

from app import app
from infra import openapi

PAGES = ("/m", "/console")


def test_is_written_down_as_the_models_say():
    assert openapi.FILE.read_text() == openapi.text()


def test_names_every_route_and_no_other():
    served = {
        (method.lower(), path)
        for path, by_method in app.routes.items()
        for method in by_method
        if not path.startswith(PAGES)
    }
    documented = {(one.method, one.path) for one in openapi.OPERATIONS}

    assert documented == served


def test_asks_for_a_token_exactly_where_the_route_does():
    for operation in openapi.OPERATIONS:
        route = app.routes[operation.path][operation.method.upper()]

        assert (route.authorizer is not None) is operation.signed_in, operation.path


def test_names_every_parameter_of_a_path():
    for operation in openapi.OPERATIONS:
        wanted = set(re.findall(r"{(\w+)}", operation.path))
        named = {one["name"] for one in operation.parameters if one["in"] == "path"}

        assert named == wanted, operation.path


def test_points_only_at_schemas_it_has():
    document = openapi.document()
    wanted = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))

    assert wanted <= set(document["components"]["schemas"])
