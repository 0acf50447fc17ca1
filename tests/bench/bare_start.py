"""The floor of a cold start: ``python -m tests.bench.bare_start DATABASE PORT``.

Imports nothing but what it needs: aiohttp and aiosqlite.
"""

import sys
from collections.abc import AsyncIterator

import aiosqlite
from aiohttp import web


async def _opened(_app: web.Application) -> AsyncIterator[None]:
    async with (
        aiosqlite.connect(sys.argv[1]) as connection,
        connection.execute("SELECT job_instance_id FROM batch_job_instance") as found,
    ):
        await found.fetchall()
        yield


async def _ready(_request: web.Request) -> web.Response:
    return web.json_response({"status": "UP"})


def main() -> None:
    """Serve until a signal comes."""
    app = web.Application()
    app.cleanup_ctx.append(_opened)
    app.add_routes([web.get("/health/ready", _ready)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=None, print=None)


if __name__ == "__main__":
    main()
