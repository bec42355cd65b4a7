"""HTTP/1.1 on 127.0.0.1, one thread a connection, connections kept alive."""

import socket
from threading import Event, Thread
from typing import Self, cast

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request

from simulators.service import Service

HOST = "127.0.0.1"
IDLE_SECONDS = 60


class PortInUseError(Exception):
    """Somebody else listens there."""


class _Handler(WSGIRequestHandler):
    """Werkzeug's handler but for its answer: that one closes every connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server_version = "simulator"
    sys_version = ""

    def run_wsgi(self) -> None:
        server = cast("SimulatorServer", self.server)
        request = Request(self.make_environ())
        response = server.service.respond(request, wait=server.wait)
        if response is None or server.stopped:
            self.close_connection = True
            return
        body = response.get_data()
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status_code == 413:  # the rest of the body is still in the pipe
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        """Say nothing."""

    def log_error(self, *_: object) -> None:
        """Say nothing of clients that go away."""


class SimulatorServer(ThreadedWSGIServer):
    """Serves one simulated platform; port 0 takes a free one.

    As a context it serves in a thread of its own.

    :raises PortInUseError: if the port is taken.
    """

    def __init__(self, service: Service, *, port: int) -> None:
        self.service = service
        self._stopping = Event()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError as error:
                raise PortInUseError(f"{HOST}:{port}: {error.strerror}") from error
            listener.listen(self.request_queue_size)
            super().__init__(HOST, port, _no_wsgi, _Handler, fd=listener.fileno())

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def wait(self, seconds: float) -> None:
        """Let seconds pass, or less if the server stops."""
        self._stopping.wait(seconds)

    def start(self) -> None:
        """Serve in a thread of its own."""
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop at once; whoever waits for an answer is dropped."""
        self._stopping.set()
        self.shutdown()
        self.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _no_wsgi(_environ: object, _start_response: object) -> list[bytes]:
    raise NotImplementedError("the handler asks the service")
