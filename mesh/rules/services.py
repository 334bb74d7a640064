"""Rules for VirtualServices.

Law: each function is one rule, named for what it finds.
"""

from collections.abc import Iterator

from mesh import hosts, problems
from mesh.hosts import Host
from mesh.problems import Problem, Ref
from mesh.resources import VirtualServiceSpec
from mesh.rules import host_names


def claimed_hosts(spec: VirtualServiceSpec) -> tuple[Host, ...]:
    """Return the hosts that a service asks for, each once, in the order of the list; what breaks a rule is left out."""
    read = (hosts.parsed_host(text) for text in spec.hosts)
    return tuple(dict.fromkeys(host for host in read if host is not None and host.name != hosts.ANY))


def unreadable_hosts(subject: Ref, spec: VirtualServiceSpec) -> Iterator[Problem]:
    """Rules 2.13.9 to 2.13.11: hosts can be read, are in lower case and are listed once."""
    for index, text in enumerate(spec.hosts):
        yield from host_names.host_problems(subject, f"spec.hosts[{index}]", text)
    yield from host_names.repeated_hosts(subject, "spec.hosts", spec.hosts)


def greedy_hosts(subject: Ref, spec: VirtualServiceSpec) -> Iterator[Problem]:
    """Rule 2.13.13: a VirtualService does not claim every host there is."""
    for index, text in enumerate(spec.hosts):
        host = hosts.parsed_host(text)
        if host is not None and host.name == hosts.ANY:
            yield problems.error(
                subject,
                f"spec.hosts[{index}]",
                "`*` would claim every host of the mesh",
                "name the hosts of this service, or a wildcard such as *.example.com",
            )
