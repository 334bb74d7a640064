"""Rules for host names, wherever they are written.

Law: a name that cannot be read is an error and is left out; one that is read otherwise than written is a warning.
"""

from collections.abc import Callable, Iterator

from mesh import hosts, problems
from mesh.hosts import Host
from mesh.problems import Problem, Ref
from mesh.rules import repeats, wording

_EXAMPLE = "write a name such as shop.example.com"


def host_problems(subject: Ref, field: str, text: str) -> Iterator[Problem]:
    """Rule 2.13.9: a host is a name, an address or `*.` and a name; rule 2.13.10: in lower case."""
    host = hosts.parsed_host(text)
    if host is None:
        fault, remedy = _reason(text)
        yield problems.error(subject, field, fault, remedy)
    elif text != text.lower():
        fault = f"{wording.quoted(text)} has capital letters and is compared as {host}"
        yield problems.warning(subject, field, fault, "write it in lower case")


def _reason(text: str) -> tuple[str, str]:
    found = (words for applies, *words in _REASONS if applies(text))
    fault, remedy = next(found, ("{} is not a host name", _EXAMPLE))
    return fault.format(wording.quoted(text)), remedy


_REASONS: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (lambda text: not text, "is empty", f"{_EXAMPLE}, or remove the item"),
    (lambda text: "/" in text, "{} is a URL or a path", "write the host alone, as shop.example.com"),
    (lambda text: "*" in text, "{} has a `*` that is not the whole first label", "write it as *.example.com"),
    (lambda text: not text.isascii(), "{} has letters outside of ASCII", "write its `xn--` form"),
    (
        lambda text: not _has_a_port(text),
        "{} does not end in a port from 1 to 65535",
        "write it as shop.example.com:8080",
    ),
)
"""Why a text is no host: the first that applies."""


def _has_a_port(text: str) -> bool:
    _, colon, port = text.rpartition(":")
    return text.count(":") != 1 or not colon or hosts.is_port(port)


def repeated_hosts(subject: Ref, field: str, texts: tuple[str, ...]) -> Iterator[Problem]:
    """Rule 2.13.11: a host is listed once."""
    read = tuple(hosts.parsed_host(text) for text in texts)
    for index in repeats.repeated(read):
        if (host := read[index]) is not None:
            yield problems.warning(subject, f"{field}[{index}]", f"{host} is listed twice", "remove one of the two")


def unused_port(subject: Ref, field: str, text: str, remedy: str) -> Iterator[Problem]:
    """Rule 2.13.12: a host has no port where ports are said elsewhere."""
    host = _read(text)
    if host.port is not None:
        yield problems.warning(subject, field, f"{wording.quoted(text)} has a port, which is ignored here", remedy)


def _read(text: str) -> Host:
    return hosts.parsed_host(text) or Host("")
