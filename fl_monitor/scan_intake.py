"""The routes of the Scan page that change something: a scan is offered, sent in parts, cancelled or deleted.

A part is written to disk while it comes. What has come counts even if the connection is lost: the answer's
``x-received`` tells a browser where to go on.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.replies import NO_STORE, language_of, refuse
from fl_monitor.scan_desk import ScanDesk
from fl_monitor.scan_folder import Upload
from fl_monitor.scan_models import find_model
from fl_monitor.scan_plan import ScanRefusedError, Wish, read_wish
from fl_monitor.scan_words import missing_text
from fl_monitor.service import Service
from fl_store.rows import UserRow

MOST_LIST_BYTES = 2 << 20
PART_BYTES = 4 << 20
MOST_PART_BYTES = 16 << 20
WRITE_BYTES = 1 << 20
PART_TIMEOUT_S = 120.0
RECEIVED = "x-received"
TOLD_AGAIN_AFTER_S = 60.0
REFUSALS = {413: "it is too large.", 415: "it is of no known kind.", 507: "there is no room for it."}
"""What the coordinator is told of, by the status of the answer."""

Take = Callable[[Request, UserRow], Awaitable[Response]]


def scan_takes(service: Service) -> list[tuple[str, str, Take]]:
    """Return the answers, each after its path and method."""
    return [
        ("/api/scans", "POST", _speaking(_begin(service))),
        ("/api/scans/{upload_id}", "PUT", _speaking(_receive(service.scans))),
        ("/api/scans/{upload_id}", "DELETE", _speaking(_give_up(service.scans))),
    ]


def _speaking(take: Take) -> Take:
    """Answer in the browser's language; a refusal is its sentence."""

    async def answer(request: Request, user: UserRow) -> Response:
        with speaking(language_of(request)):
            try:
                return await take(request, user)
            except ScanRefusedError as error:
                return refuse(error.status, str(error))

    return answer


def _begin(service: Service) -> Take:
    told: dict[str, float] = {}

    def tell(user: UserRow, status: int) -> None:
        """Tell the coordinator of a refusal; of each user once a minute, so that nobody floods the list."""
        now = monotonic()
        if status in REFUSALS and now - told.get(user.name, -TOLD_AGAIN_AFTER_S) >= TOLD_AGAIN_AFTER_S:
            told[user.name] = now
            service.scans.refuse(user.name, REFUSALS[status])

    def begin(user: UserRow, wish: Wish) -> Upload:
        model = find_model(service.store, service.home, wish.model)
        if model is None:
            raise ScanRefusedError(missing_text(), 409)
        try:
            return service.scans.begin(user.name, wish.files, model.name)
        except ScanRefusedError as error:
            tell(user, error.status)
            raise

    async def take(request: Request, user: UserRow) -> Response:
        wish = read_wish(await _read_list(request))
        upload = await run_in_threadpool(begin, user, wish)
        received = await run_in_threadpool(service.scans.folder.num_received, upload)
        answer = {"id": upload.upload_id, "received": received, "part_bytes": PART_BYTES}
        return JSONResponse(answer, 201, NO_STORE)

    return take


async def _read_list(request: Request) -> bytes:
    body = b""
    async for data in request.stream():
        body += data
        if len(body) > MOST_LIST_BYTES:
            raise ScanRefusedError(_("The list of files is too long. Send a .zip of the folder."), 413)
    return body


def _receive(desk: ScanDesk) -> Take:
    async def take(request: Request, user: UserRow) -> Response:
        upload = await run_in_threadpool(desk.find, user.name, request.path_params["upload_id"])
        try:
            with desk.receiving(upload):
                offset, num_bytes = _place_of(request)
                await run_in_threadpool(desk.check_turn, upload, offset, num_bytes)
                await _write(request, desk, upload, offset, num_bytes)
                status, sentence = 200, ""
        except ScanRefusedError as error:
            if error.status != 409:
                raise
            status, sentence = 409, str(error)
        received = await run_in_threadpool(desk.note_received, upload)
        return Response(sentence, status, NO_STORE | {RECEIVED: str(received)}, "text/plain")

    return take


def _place_of(request: Request) -> tuple[int, int]:
    """Return where a part begins and how long it is; ScanRefusedError if it does not say so."""
    told = request.query_params.get("offset", ""), request.headers.get("content-length", "")
    if not all(re.fullmatch("[0-9]{1,16}", number) for number in told):
        raise ScanRefusedError(_("This part of the scan does not say where it belongs."), 400)
    offset, num_bytes = map(int, told)
    if num_bytes > MOST_PART_BYTES:
        raise ScanRefusedError(_("This part of the scan is too large."), 413)
    return offset, num_bytes


async def _write(request: Request, desk: ScanDesk, upload: Upload, offset: int, num_bytes: int) -> None:
    """Write a part while it comes, and no byte more than it was said to have."""
    end = offset + num_bytes
    async for block in _read_blocks(request):
        if offset + len(block) > end:
            raise ScanRefusedError(_("These bytes are not part of the scan."), 400)
        await run_in_threadpool(desk.append, upload, block, offset)
        offset += len(block)


async def _read_blocks(request: Request) -> AsyncIterator[bytes]:
    """Yield a part in blocks; if the browser goes away or dawdles, up to what has come."""
    block = bytearray()
    deadline = monotonic() + PART_TIMEOUT_S
    stream = request.stream()
    with contextlib.suppress(StopAsyncIteration, TimeoutError, ClientDisconnect):
        while True:
            block += await asyncio.wait_for(anext(stream), deadline - monotonic())
            if len(block) >= WRITE_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _give_up(desk: ScanDesk) -> Take:
    async def take(request: Request, user: UserRow) -> Response:
        upload = await run_in_threadpool(desk.find, user.name, request.path_params["upload_id"])
        await run_in_threadpool(desk.give_up, upload)
        return Response(status_code=204, headers=NO_STORE)

    return take
