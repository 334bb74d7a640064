"""What the program says while it runs: lines for people at a terminal, JSON for everything else.

Law: everything goes to standard error; a problem is said once when it appears and once when it is resolved; a traceback
shows no values, which might be secrets; what strangers wrote moves no cursor.
"""

import logging
import sys
from collections.abc import Iterable

import structlog

from mesh.problems import Problem, Severity
from meshloom import choices, plain

_MOST = 8192
"""Characters of one value in a line."""


def _plain(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape what a terminal would act upon: proxies say who they are, and what they refuse, in their own words."""
    return {key: _printable(value) for key, value in event.items()}


def _printable(value: object) -> object:
    match value:
        case str():
            return plain.printable(value, _MOST)
        case tuple() | list():
            return [_printable(each) for each in value]
        case _:
            return value


_SHARED: tuple[structlog.typing.Processor, ...] = (
    _plain,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(wanted: choices.Lines, debug: bool) -> None:
    """Send structlog, and whatever libraries log by the standard library, to standard error in one form."""
    level = logging.DEBUG if debug else logging.INFO
    renderers = _renderers(wanted, sys.stderr.isatty())
    structlog.configure(
        processors=[*_SHARED, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(structlog.stdlib.ProcessorFormatter(processors=_foreign(renderers), foreign_pre_chain=_SHARED))
    logging.basicConfig(handlers=[lines], level=level if debug else logging.WARNING, force=True)


def report(before: Iterable[Problem], after: Iterable[Problem]) -> None:
    """Say which problems are new and which are resolved; those that stay were said before."""
    if before is after:
        return
    log = structlog.get_logger()
    old, new = frozenset(before), frozenset(after)
    for problem in sorted(new - old):
        say = log.error if problem.severity is Severity.ERROR else log.warning
        say(str(problem), resource=str(problem.subject))
    for problem in sorted(old - new):
        log.info(f"resolved: {problem}", resource=str(problem.subject))


def _renderers(wanted: choices.Lines, terminal: bool) -> list[structlog.typing.Processor]:
    if wanted is choices.Lines.CONSOLE or (wanted is choices.Lines.AUTO and terminal):
        return [structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _foreign(renderers: list[structlog.typing.Processor]) -> list[structlog.typing.Processor]:
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers]
