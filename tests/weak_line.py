"""A line from a site to its coordinator that can be cut, slow and lossy, for all that it carries."""

import asyncio
import math
import socket
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

PACKET_BYTES = 1460
PART_BYTES = 1 << 14
CREDIT_S = 0.1
"""So much time that nobody used may be made up for: this process, too, has to wait for its turn."""
BUFFER_BYTES = 1 << 16
"""Of the socket towards the site: without a limit the system would take in a whole model at once."""


@dataclass(frozen=True)
class Quality:
    """How long data is on its way in each direction, how much passes in a second, and what part is lost.

    TCP sends a lost packet again after a round trip, and 0.2 s at least; what comes behind it waits so long.
    """

    delay_s: float = 0.0
    bytes_per_s: float = math.inf
    lost_share: float = 0.0

    @property
    def sent_again_after_s(self) -> float:
        """How much later a lost packet arrives."""
        return max(2 * self.delay_s, 0.2)


PERFECT = Quality()


class Direction:
    """One direction of a line, whose connections share what it can carry."""

    def __init__(self, quality: Quality, seed: int) -> None:
        self._quality = quality
        self._random = np.random.default_rng(seed)
        self._free_at_s = 0.0
        self.num_bytes = 0

    async def send(self, num_bytes: int) -> float:
        """Return once so much has left, with the time at which it arrives, of ``time.monotonic``."""
        self.num_bytes += num_bytes
        now_s = time.monotonic()
        self._free_at_s = max(self._free_at_s, now_s - CREDIT_S) + num_bytes / self._quality.bytes_per_s
        if self._free_at_s > now_s:
            await asyncio.sleep(self._free_at_s - now_s)
        num_lost = self._random.binomial(math.ceil(num_bytes / PACKET_BYTES), self._quality.lost_share)
        arrives_at_s = max(self._free_at_s, now_s) + self._quality.delay_s
        return arrives_at_s + (self._quality.sent_again_after_s if num_lost else 0.0)


class WeakLine:
    """Leads to a port of this machine.

    While it is cut, whatever is sent is swallowed, as by a VPN that is down: nobody is told. A connection
    that was open then carries nothing ever again. With ``is_told`` connections are broken off and new ones
    refused instead.
    """

    def __init__(self, target_port: int, quality: Quality = PERFECT, *, seed: int = 0) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.port: int = self._listening.getsockname()[1]
        self.num_connections = 0
        self._target_port = target_port
        self.up, self.down = Direction(quality, seed), Direction(quality, seed + 1)
        self._is_cut = self._is_told = False
        self._carried: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_error: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *, is_told: bool = False) -> None:
        """Let nothing through until ``mend``."""
        self._run(self._cut(is_told=is_told))

    def mend(self) -> None:
        """Carry new connections again."""
        self._is_cut = False

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._listening)

    async def _close(self) -> None:
        self._server.close()
        await self._cut(is_told=True)

    async def _cut(self, *, is_told: bool) -> None:
        self._is_cut, self._is_told = True, is_told
        for task in self._carried:
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)
        for end in self._ends if is_told else ():
            end.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)  # who lets go of it closes it
        if not self._is_cut:
            self.num_connections += 1
            task = self._loop.create_task(self._carry(reader, writer))
            self._carried.add(task)
            task.add_done_callback(self._carried.discard)
        elif self._is_told:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until both ends have closed it, or it breaks."""
        ends = [writer]
        try:
            target_reader, target = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._ends.add(target)
            ends.append(target)
            async with asyncio.TaskGroup() as both:
                both.create_task(carry(reader, target, self.up))
                both.create_task(carry(target_reader, writer, self.down))
        except* OSError:  # nobody listens, or an end has gone without a word
            for end in ends:
                end.transport.abort()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
    """Carry what one end sends to the other, each part when it arrives there."""
    on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            arrives_at_s, part = await on_its_way.get()
            await asyncio.sleep(arrives_at_s - time.monotonic())
            if not part:
                writer.write_eof()
                return
            writer.write(part)
            await writer.drain()

    async with asyncio.TaskGroup() as both:
        both.create_task(deliver())
        while part := await reader.read(PART_BYTES):
            on_its_way.put_nowait((await direction.send(len(part)), part))
        on_its_way.put_nowait((await direction.send(0), b""))
