"""What the service writes leaves at once: no part of an answer waits for the caller to acknowledge another."""

from __future__ import annotations

import asyncio
import socket

from serving.run import _listen


def test_connections_of_the_listening_socket_send_small_parts_at_once() -> None:
    async def of_a_connection() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own: socket.socket = writer.get_extra_info("socket")
            found.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = _listen("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            taken = await asyncio.wait_for(found, 10)
            writer.close()
        return taken

    assert asyncio.run(of_a_connection()) != 0
