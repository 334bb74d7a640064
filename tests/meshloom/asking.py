"""HTTP on a unix socket, as a test asks it."""

import json
import pathlib
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Answer:
    """The status and the text of an answer."""

    status: int
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)


async def asked(socket: pathlib.Path, target: str, method: str = "GET", **options: Any) -> Answer:
    """Return the answer to a request."""
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.request(method, f"http://localhost{target}", **options) as response,
    ):
        return Answer(response.status, await response.text())
