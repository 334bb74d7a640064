"""The health port: `/livez`, `/readyz` and `/metrics`, to GET.

Law: it opens before anything else and closes last; its answers hold no secret and nothing of a single proxy, for it may
be open to a whole cluster.
"""

from collections.abc import Callable

from aiohttp import web

from meshloom import listening, metrics
from meshloom.health import conditions


def application(found: Callable[[], conditions.Conditions], measured: metrics.Metrics) -> web.Application:
    """Return what answers on the health port. That it answers at all is what `/livez` says: the event loop turns."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        now = found()
        return web.json_response(conditions.document(now), status=200 if conditions.is_ready(now) else 503)

    async def told(_: web.Request) -> web.Response:
        return web.Response(body=measured.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    made = web.Application(middlewares=[listening.bounded])
    made.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", told)])
    return made
