"""A wire that breaks: passes bytes on to a real server, and cuts connections where it is told."""

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
PIECE = 64


@dataclass(frozen=True)
class Cut:
    """Where one connection ends: after so many bytes to the server, or from it."""

    is_answer: bool
    after_bytes: int


class Wire:
    """Listens on loopback; each connection takes the next cut, and lives on when there is none."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.cuts: deque[Cut] = deque()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self, cuts: Sequence[Cut]) -> None:
        self.cuts = deque(cuts)

    def close(self) -> None:
        self.listener.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            cut = self.cuts.popleft() if self.cuts else None
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                length = cut.after_bytes if cut and cut.is_answer == is_answer else None
                threading.Thread(
                    target=self._carry, args=(source, sink, length, client, server), daemon=True
                ).start()

    def _carry(
        self,
        source: socket.socket,
        sink: socket.socket,
        length: int | None,
        client: socket.socket,
        server: socket.socket,
    ) -> None:
        left = length
        try:
            while left is None or left > 0:
                # small pieces, so that a cut may fall anywhere
                data = source.recv(65_536 if left is None else min(left, PIECE))
                if not data:
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        except OSError:
            pass
        if left == 0:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
