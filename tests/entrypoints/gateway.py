"""API Gateway for the tests: chalice.test, and what that leaves out."""

import json
from contextlib import contextmanager

from chalice.test import Client, HTTPResponse

from chalicelib.entrypoints.boundary import UnauthorizedError


class Gateway:
    """Sends requests; an authorizer that raises "Unauthorized" is answered with 401, as on AWS."""

    def __init__(self, http):
        self._http = http

    def request(self, method, path, *, token=None, headers=None, body=b""):
        given = dict(headers or {})
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        try:
            return self._http.request(method, path, headers=given, body=body)
        except UnauthorizedError:
            problem = {"type": "about:blank", "status": 401, "code": "unauthorized", "detail": ""}
            return HTTPResponse(json.dumps(problem).encode(), {}, 401)

    def get(self, path, **given):
        return self.request("GET", path, **given)

    def post(self, path, **given):
        return self.request("POST", path, **given)


@contextmanager
def gateway(app):
    with Client(app) as client:
        yield Gateway(client.http)
