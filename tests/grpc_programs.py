"""A gRPC server and a gRPC client as programs of their own; gRPC reads its xDS bootstrap once in the life of a process.

`serve NAME ADDRESS...` answers every call with its name; those whose method is `Wait` never. `call` takes orders, one a
line, and answers each with what was seen: how often which answer came, and how long the slowest took. `Client` is who
gives these orders.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import grpc

TOKENS = {"GRPC_EXPERIMENTAL_XDS_BOOTSTRAP_CALL_CREDS": "true"}
"""Without this gRPC 1.85 shows no token to a control plane."""

ROOT = pathlib.Path(__file__).parents[1]
MODULE = "tests.grpc_programs"
PATIENCE_S = 30
OPTIONS = (("grpc.enable_http_proxy", 0),)


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, name: str) -> None:
        self.name = name

    def service(self, call):
        def answer(_message, context):
            if call.method.endswith("/Wait"):
                ended = threading.Event()
                context.add_callback(ended.set)
                ended.wait()
            return self.name.encode()

        return grpc.unary_unary_rpc_method_handler(answer)


def serve(name: str, *addresses: str) -> None:
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[_Handler(name)])
    for address in addresses:
        sys.stdout.write(f"port {server.add_insecure_port(address)}\n")
    server.start()
    sys.stdout.flush()
    server.wait_for_termination()


class Caller:
    """Calls, by one channel for each target."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.Channel] = {}
        self._going: dict[str, tuple[threading.Event, concurrent.futures.Future]] = {}
        self._pool = concurrent.futures.ThreadPoolExecutor()

    def ready(self):
        return {}

    def call(self, target: str, times: int = 1, path: str = "/t.T/Get", deadline: float = 10.0):
        seen, slowest = collections.Counter(), 0.0
        for said, seconds in (self._called(target, path, deadline) for _ in range(times)):
            seen[said] += 1
            slowest = max(slowest, seconds)
        return {"seen": seen, "slowest": slowest}

    def begin(self, target: str):
        """Call a target again and again, until told otherwise."""
        enough = threading.Event()
        self._going[target] = (enough, self._pool.submit(lambda: collections.Counter(self._stream(target, enough))))
        return {}

    def end(self, target: str):
        enough, going = self._going.pop(target)
        enough.set()
        return {"seen": going.result()}

    def _stream(self, target: str, enough: threading.Event) -> Iterator[str]:
        while not enough.wait(0.002):
            yield self._called(target, "/t.T/Get", 10.0)[0]

    def _called(self, target: str, path: str, deadline: float) -> tuple[str, float]:
        if target not in self._channels:
            self._channels[target] = grpc.insecure_channel(target, OPTIONS)
        begun = time.monotonic()
        try:
            said = self._channels[target].unary_unary(path)(b"", timeout=deadline).decode()
        except grpc.RpcError as fault:
            said = f"{fault.code().name}: {fault.details()}"
        return said, time.monotonic() - begun


def call() -> None:
    caller = Caller()
    for line in sys.stdin:
        order, about = json.loads(line)
        sys.stdout.write(json.dumps(getattr(caller, order)(**about)) + "\n")
        sys.stdout.flush()


class Client:
    """A process that calls; its channels live as long as it."""

    def __init__(self, bootstrap: pathlib.Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, "call"],
            cwd=ROOT,
            env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap), **TOKENS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [*map(self._answers.put, self._process.stdout)], daemon=True).start()

    def order(self, order: str, **about: object) -> None:
        self._process.stdin.write(json.dumps([order, about]) + "\n")
        self._process.stdin.flush()

    def answer(self):
        return json.loads(self._answers.get(timeout=PATIENCE_S))

    def wait(self) -> None:
        """Return when it takes orders."""
        self.order("ready")
        assert self.answer() == {}

    def call(self, target: str, **about: object):
        """Return how often which answer came, and the seconds of the slowest."""
        self.order("call", target=target, **about)
        told = self.answer()
        return told["seen"], told["slowest"]

    def says(self, target: str, path: str = "/t.T/Get") -> str:
        """Return the one answer of a call."""
        (said,), _ = self.call(target, path=path)
        return said

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


if __name__ == "__main__":
    {"serve": serve, "call": call}[sys.argv[1]](*sys.argv[2:])
