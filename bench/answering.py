"""A receiver of callbacks that costs as little as it can: ``python -m bench.answering PORT``, at all of 127.0.0.0/8.

It answers every request with 200 at once, on connections that stay; one to ``/hang`` is never answered.
"""

import asyncio
import sys

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"content-length: "


class _Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            begin = head.find(_LENGTH) + len(_LENGTH)
            length = int(head[begin:].split(b"\r\n", 1)[0])
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            if not head.startswith(b"post /hang"):
                self._transport.write(_OK)  # type: ignore[attr-defined] # TCP's has it


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "0.0.0.0", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
