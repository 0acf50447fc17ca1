"""A client that costs little, so that the server is what is measured."""

import selectors
import socket
import time
from contextlib import ExitStack
from typing import Final

#: Enough that the server never waits for the client.
_CONNECTIONS: Final = 8
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


def requests_per_s(port: int, method: str, path: str, *, for_s: float) -> float:
    """Ask the same over several connections for a while; return the answers a second.

    Raises:
        RuntimeError: An answer is not 200.
    """
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
    answered = 0
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(10.0)
            selector.register(connection, selectors.EVENT_READ, connection)
            connection.sendall(request)
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + for_s:
            for key, _ in selector.select(timeout=10.0):
                _read_answer(key.data)
                key.data.sendall(request)
                answered += 1
        return answered / (now - began)


def _read_answer(connection: socket.socket) -> None:
    found = b""
    while not _is_whole(found):
        more = connection.recv(65536)
        if not more:
            raise RuntimeError(f"the connection was closed after {found!r}")
        found += more
    if not found.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not answered with 200: {found!r}")


def _is_whole(found: bytes) -> bool:
    head, end, body = found.partition(_END_OF_HEAD)
    if not end:
        return False
    return len(body) >= int(head.lower().partition(_LENGTH)[2].split(b"\r\n", 1)[0])
