"""How the processes of a benchmark speak: a question a line, an answer a line, both JSON.

Law: one question at a time, each within a deadline; a process ends when nobody can ask it any more.
"""

import asyncio
import contextlib
import json
import resource
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

DEADLINE = 60.0
"""Seconds for an answer."""

Answers = Mapping[str, Callable[..., Awaitable[dict[str, Any]]]]
"""By the name of a question: what to do with its arguments, and what to answer."""


class SilentError(Exception):
    """A process that failed, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that answers questions."""

    module: str
    process: asyncio.subprocess.Process

    async def ask(self, question: str, **about: Any) -> dict[str, Any]:
        """Return the answer. Raises SilentError if there is none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"question": question, "about": about}).encode() + b"\n")
        try:
            async with asyncio.timeout(DEADLINE):
                line = await self.process.stdout.readline()
        except TimeoutError:
            raise SilentError(f"{self.module} did not answer {question!r} within {DEADLINE:g} seconds") from None
        answer: dict[str, Any] = json.loads(line or b"{}")
        if "done" not in answer:
            raise SilentError(f"{self.module} failed at {question!r}: {answer.get('failed', 'it ended')}")
        done: dict[str, Any] = answer["done"]
        return done


@contextlib.asynccontextmanager
async def child(module: str) -> AsyncIterator[Child]:
    """Run a module that calls `answer`, until the block ends."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=pipe, stdout=pipe)
    try:
        yield Child(module, process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def answer(answers: Answers) -> None:
    """Answer the questions on standard input until it ends. The process may open as many sockets as it is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        asked = json.loads(line)
        try:
            said = {"done": await answers[asked["question"]](**asked["about"])}
        except Exception:
            said = {"failed": traceback.format_exc()}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
