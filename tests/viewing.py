"""A client of a viewer that runs on loopback."""

import http.client
import json
from typing import Any

from google.protobuf.message import Message

from streamspan.viewer.terminal import Served


def posted(address: str, message: Message) -> int:
    """The status with which OTLP is answered."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    path = "/v1/logs" if "Logs" in type(message).__name__ else "/v1/traces"
    try:
        connection.request("POST", path, message.SerializeToString(), {"content-type": "application/x-protobuf"})
        return connection.getresponse().status
    finally:
        connection.close()


def read(address: str, path: str) -> Any:
    """The JSON that a viewer has there."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class Running:
    """A viewer, and a client of it."""

    def __init__(self, served: Served, said: list[str]) -> None:
        self.page = served.page
        self.address = served.address
        self.token = served.token
        self.inbox = served.inbox
        self.said = said

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The JSON at this path."""
        return json.loads(self.request("GET", path, b"", **headers)[2])

    def send(self, message: Message, **headers: str) -> int:
        """The status with which OTLP is answered."""
        path = "/v1/logs" if "Logs" in type(message).__name__ else "/v1/traces"
        return self.request("POST", path, message.SerializeToString(), content_type="application/x-protobuf", **headers)[0]
