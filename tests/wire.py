"""A wire between a run and its server that breaks, or at which the run is killed, at a place that a test chooses."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import sqlalchemy as sa

from sqlstrata.databases import addresses

Way = Literal["sent", "received"]


class Wire:
    """A TCP proxy to the server of a URL, which hands on what it is given, and counts it.

    `heard` is asked of each piece, with the number of bytes or pieces that went this way before: how much of the piece
    is handed on (None: all of it), and what happens then.
    """

    def __init__(self, url: str | sa.URL) -> None:
        made = addresses.parsed(url)
        self.target = (made.host or "127.0.0.1", addresses.port(made))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = made.set(host="127.0.0.1", port=self.server.getsockname()[1]).render_as_string(hide_password=False)
        self.sockets: list[socket.socket] = []
        self.bytes: dict[Way, int] = {"sent": 0, "received": 0}
        self.pieces: dict[Way, int] = {"sent": 0, "received": 0}
        self.guard = threading.Lock()
        self.hear: Callable[[Way, bytes], tuple[bytes, Callable[[], None] | None]] = lambda _, data: (data, None)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self.server.accept()
                other = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [one, other]
            ways: tuple[tuple[socket.socket, socket.socket, Way], ...] = (
                (one, other, "sent"),
                (other, one, "received"),
            )
            for here, there, way in ways:
                here.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(here, there, way), daemon=True).start()

    def _pass(self, here: socket.socket, there: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                with self.guard:
                    left, then = self.hear(way, data)
                    self.bytes[way] += len(data)
                    self.pieces[way] += 1
                    if left:
                        there.sendall(left)
                    if then is not None:
                        then()
            there.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Cut every connection that there is."""
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.cut()


@contextmanager
def cut_wire(url: str | sa.URL, way: Way, after: int, *, for_good: bool) -> Iterator[Wire]:
    """A wire that is cut after so many bytes on a way, and where nothing answers any more, if that is `for_good`."""
    wire = Wire(url)

    def hear(which: Way, data: bytes) -> tuple[bytes, Callable[[], None] | None]:
        left = after - wire.bytes[way]
        if which != way or left < 0 or len(data) <= left:
            return data, None
        return data[:left], wire.close if for_good else wire.cut

    wire.hear = hear
    try:
        yield wire
    finally:
        wire.close()


def killed_when(
    work: Callable[[str], object], url: str | sa.URL, now: Callable[[Wire, bytes], bool], *, sent: bool
) -> bool:
    """Do the work on a wire in another process, and kill -9 it when it sends a piece of which `now` says so.

    A piece is a statement, mostly; where it was `sent`, the server still gets it. False where the work was done before.
    """
    wire = Wire(url)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(wire.url)
            code = 0
        finally:
            os._exit(code)

    def hear(which: Way, data: bytes) -> tuple[bytes, Callable[[], None] | None]:
        if which != "sent" or not now(wire, data):
            return data, None
        return (data if sent else b""), lambda: os.kill(child, signal.SIGKILL)

    wire.hear = hear
    _, status = os.waitpid(child, 0)
    wire.close()
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def killed_at(work: Callable[[str], object], url: str | sa.URL, piece: int, *, sent: bool) -> bool:
    """The same, when it sends its piece of this number, from 0."""
    return killed_when(work, url, lambda wire, _: wire.pieces["sent"] == piece, sent=sent)
