"""Requests of whoever runs the show, each on a connection of its own: several threads may ask."""

import http.client
from contextlib import closing
from typing import Any

import orjson


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, what: str, status: int, body: str) -> None:
        super().__init__(f"{what}: {status} {body}")
        self.status = status


def ask(port: int, method: str, path: str, document: object = None) -> Any:
    """Return the document that is answered; None for an answer without one.

    Raises:
        RefusedError: The answer is no success.
        OSError: There is none.
    """
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60.0)) as connection:
        connection.request(method, path, None if document is None else orjson.dumps(document))
        answer = connection.getresponse()
        body = answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        raise RefusedError(f"{method} {path}", answer.status, body.decode())
    return orjson.loads(body) if body else None
