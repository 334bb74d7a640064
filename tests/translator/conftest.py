"""What Google's own protobuf makes of our bytes: the `official` fixture.

Law: Envoy's generated modules live in an environment of their own, reached through a process (`official_parse.py`).
"""

import base64
import json
import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

PYTHON = "MESHLOOM_OFFICIAL_PROTOS_PYTHON"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message as the official runtime read it.

    `body` is its deterministic encoding; `json` its JSON form with Anys unfolded, or None when JSON cannot say it;
    `unknown` the fields (`envoy.config.cluster.v3.Cluster:99`) and type URLs that Envoy's protos do not have, at any
    depth; `error` why it could not be read, else empty.
    """

    body: bytes = b""
    json: Any = None
    unknown: tuple[str, ...] = ()
    error: str = ""


Official = Callable[[list[tuple[str, bytes]]], list[Parsed]]


@pytest.fixture(scope="session")
def official() -> Iterator[Official]:
    """Yield a function from (full message name, bytes) pairs to what the official runtime reads in them."""
    python = os.environ.get(PYTHON)
    if not python:
        pytest.skip(f"{PYTHON} names no interpreter that has xds-protos; `make protos` prepares one")
    script = pathlib.Path(__file__).with_name("official_parse.py")
    with subprocess.Popen([python, script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield lambda messages: [_parsed(process, name, body) for name, body in messages]
        process.stdin.close()


def _parsed(process: subprocess.Popen[str], name: str, body: bytes) -> Parsed:
    process.stdin.write(json.dumps({"type": name, "body": base64.b64encode(body).decode()}) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    if "error" in answer:
        return Parsed(error=answer["error"])
    return Parsed(base64.b64decode(answer["body"]), answer["json"], tuple(answer["unknown"]))
