"""A TCP proxy before a server, which after so many bytes closes its connections, or has something done."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Literal, Self

Direction = Literal["to the server", "to the client", "both"]


class Proxy:
    """Listens on a port of its own until it is closed; `passed` counts the bytes in the direction that is watched.

    When `limit` bytes have passed, `then` is called, and all connections are cut unless it says True ("go on"). With
    `closes` nobody gets a new one afterwards.
    """

    def __init__(self, target: tuple[str, int], limit: int, direction: Direction, then: Callable[[], bool]) -> None:
        self.target, self.limit, self.direction, self.then = target, limit, direction, then
        self.passed, self.reached, self.closes = 0, False, False
        self.lock = threading.Lock()
        self.sockets: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [client, server]
            for here, there, direction in ((client, server, "to the server"), (server, client, "to the client")):
                threading.Thread(target=self._pass, args=(here, there, direction), daemon=True).start()

    def _pass(self, here: socket.socket, there: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(self._counted(data) if self.direction in {direction, "both"} else data)
            there.shutdown(socket.SHUT_WR)

    def _counted(self, data: bytes) -> bytes:
        """Count the data; the piece in which the limit lies does not arrive."""
        with self.lock:
            self.passed += len(data)
            if self.passed < self.limit or self.reached:
                return data
            self.reached = True
        if self.then():
            return data
        if self.closes:
            self.server.close()
        self.cut()
        raise ConnectionAbortedError

    def cut(self) -> None:
        """Close all connections that there are."""
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.sockets.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.close()
        self.cut()
