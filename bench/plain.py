"""The least that can take an upload: Starlette and a push parser, which drops what it gets."""

from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def _drop(request: Request) -> Response:
    _, options = parse_options_header(request.headers["content-type"])
    count = 0

    def data(piece: bytes, start: int, end: int) -> None:
        nonlocal count
        del piece
        count += end - start

    parser = MultipartParser(options[b"boundary"], {"on_part_data": data})
    async for piece in request.stream():
        parser.write(piece)
    parser.finalize()
    return JSONResponse({"bytes": count})


app = Starlette(routes=[Route("/{rest:path}", _drop, methods=["POST"])])
