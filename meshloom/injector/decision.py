"""Whether a pod gets a proxy, which one, and if not why.

Law: pure, and every reason has a name. A pod that could walk around its proxy unseen is refused rather than injected.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mesh import problems
from mesh.problems import Problem
from meshloom.identity import claim
from meshloom.injector import contract, standards
from meshloom.injector.facts import Binding, Facts
from meshloom.injector.pods import Object, Pod, mapping
from translator import names


class Reason(enum.Enum):
    """How it ends. Of the pods that are left as they are, those from NO_BINDING on were to have a proxy."""

    INJECTED = "Injected"
    NOT_WANTED = "NotWanted"
    ALREADY_INJECTED = "AlreadyInjected"
    NO_BINDING = "NoBinding"
    NOT_READY = "BindingNotReady"
    HOST_NETWORK = "HostNetwork"
    WINDOWS = "Windows"
    STATIC = "StaticPod"
    UNREADABLE = "Unreadable"
    PROXY_USER = "ProxyUser"
    LOG_LEVEL = "LogLevel"
    PORTS = "PassthroughPorts"


REFUSED: Final = frozenset({Reason.UNREADABLE, Reason.PROXY_USER, Reason.LOG_LEVEL, Reason.PORTS})
"""Such pods are not let in."""
MISSED: Final = frozenset({Reason.NO_BINDING, Reason.NOT_READY, Reason.HOST_NETWORK, Reason.WINDOWS, Reason.STATIC})
"""Such pods are let in without the proxy that their labels ask for."""


@dataclass(frozen=True, slots=True)
class Left:
    """A pod that gets no proxy; `problem` is why, in words."""

    reason: Reason
    problem: Problem


@dataclass(frozen=True, slots=True)
class Chosen:
    """The proxy that a pod gets, and what is to be said all the same."""

    binding: Binding
    log_level: str
    passthrough: tuple[int, ...]
    warnings: tuple[Problem, ...]


class _Ending(Exception):  # noqa: N818 - no error: how the questions end
    """Carries why a pod gets no proxy."""

    def __init__(self, reason: Reason, problem: Problem) -> None:
        super().__init__(reason)
        self.left = Left(reason, problem)


def decided(pod: Pod, facts: Facts) -> Chosen | Left:
    """Return which proxy a pod gets, or why it gets none."""
    if not pod.is_readable:
        fault = "has containers, volumes or metadata that are no lists of named objects"
        return Left(Reason.UNREADABLE, problems.error(pod.ref, "", fault, "write it as a pod is written"))
    try:
        _ask_labels(pod, facts)
        _ask_whether_possible(pod)
        return _chosen(pod, _matching(pod, facts), facts)
    except _Ending as ending:
        return ending.left


# ---------------------------------------------------------------------------- whether it is to have one


def is_wanted(namespace: str | None, pod: str | None) -> bool:
    """Return whether labels of these values, None where there is none, ask for a proxy."""
    if namespace == contract.ENABLED:
        return pod in (None, "", contract.ENABLED)
    return namespace == contract.DISABLED and pod == contract.ENABLED


def _ask_labels(pod: Pod, facts: Facts) -> None:
    of_namespace = facts.namespaces.get(pod.namespace, {}).get(contract.LABEL)
    of_pod = pod.labels.get(contract.LABEL)
    if not is_wanted(of_namespace, of_pod):
        space = f"namespace {pod.namespace}"
        if pod.namespace not in facts.namespaces:
            fault, remedy = f"{space} is not among what was read", "read it too, or nobody knows what its label says"
        else:
            fault, remedy = f"{space} says {_said(of_namespace)}, the pod {_said(of_pod)}", _remedy(of_namespace)
        _end(pod, Reason.NOT_WANTED, "", f"is to have no proxy: {fault}", remedy)


def _said(value: str | None) -> str:
    return "nothing" if value is None else repr(value)


def _remedy(of_namespace: str | None) -> str:
    """Return what to do so that a pod gets a proxy; a pod decides only where its namespace says one of two words."""
    if of_namespace == contract.ENABLED:
        return f"to have one, take the label {contract.LABEL} off the pod"
    where = "the namespace or the pod" if of_namespace == contract.DISABLED else "the namespace"
    return f"to have one, label {where} {contract.LABEL}={contract.ENABLED}"


def _ask_whether_possible(pod: Pod) -> None:
    if pod.is_injected:
        remedy = f"leave it; a container {contract.PROXY} is taken for one"
        _end(pod, Reason.ALREADY_INJECTED, "spec", "has a proxy already", remedy)
    if pod.spec.get("hostNetwork") is True:
        fault = "is true, and the connections of a whole node cannot be captured"
        _end(pod, Reason.HOST_NETWORK, "spec.hostNetwork", fault, "leave it out, or label the pod disabled")
    if mapping(pod.spec.get("os")).get("name") == "windows":
        _end(pod, Reason.WINDOWS, "spec.os.name", "is windows, which proxies do not run on", "label the pod disabled")
    if contract.MIRROR in pod.annotations:
        fault = "is on a static pod, which runs as it is in a file of its node, whatever is changed here"
        remedy = "let a DaemonSet run it, or label the pod disabled"
        _end(pod, Reason.STATIC, f"metadata.annotations[{contract.MIRROR}]", fault, remedy)


def _end(pod: Pod, reason: Reason, field: str, fault: str, remedy: str) -> None:
    is_error = reason in REFUSED
    raise _Ending(reason, (problems.error if is_error else problems.warning)(pod.ref, field, fault, remedy))


# ---------------------------------------------------------------------------- which one


def _matching(pod: Pod, facts: Facts) -> tuple[Binding, ...]:
    labels = pod.labels.items()
    found = tuple(one for one in facts.bindings.get(pod.namespace, ()) if one.labels <= labels)
    if not found:
        fault = f"no VirtualDeploymentBinding binds a Service of namespace {pod.namespace} that selects it"
        remedy = "bind the Service that selects its labels, or label the pod disabled"
        _end(pod, Reason.NO_BINDING, "metadata.labels", fault, remedy)
    if found[0].fault:
        fault = f"{found[0].ref} is not ready: {found[0].fault}"
        _end(pod, Reason.NOT_READY, "metadata.labels", fault, "mend that, and then delete the pod")
    return found


def _chosen(pod: Pod, found: tuple[Binding, ...], facts: Facts) -> Chosen:
    _ask_users(pod)
    level, doubts = _log_level(pod, found[0])
    refused = standards.doubts(pod, facts.namespaces.get(pod.namespace, {}))
    warnings = (*refused, *_rivals(pod, found), *doubts, *_powers(pod), *_taken(pod))
    return Chosen(found[0], level, _passthrough(pod), warnings)


def _rivals(pod: Pod, found: tuple[Binding, ...]) -> Iterator[Problem]:
    if len(found) > 1:
        others = ", ".join(one.ref.key for one in found[1:6])
        fault = f"{len(found)} bindings bind it; {found[0].ref.key} is the oldest and counts, not {others}"
        yield problems.warning(pod.ref, "metadata.labels", fault, "let one Service alone select it")


def _ask_users(pod: Pod) -> None:
    """See that nobody but the proxy is its user, whose connections are not captured."""
    of_pod = mapping(pod.spec.get("securityContext")).get("runAsUser")
    for field, one in pod.all_containers():
        if mapping(one.get("securityContext")).get("runAsUser", of_pod) == contract.PROXY_UID:
            fault = f"container {one.get('name')} runs as user {contract.PROXY_UID}, which is the proxy's alone"
            where = f"{field}.securityContext.runAsUser"
            _end(pod, Reason.PROXY_USER, where, fault, "let it run as another user, or label the pod disabled")


def _log_level(pod: Pod, binding: Binding) -> tuple[str, tuple[Problem, ...]]:
    """Return how much the proxy logs: as the pod says, then as its binding does."""
    field, remedy = f"metadata.annotations[{contract.LOG_LEVEL}]", f"write one of {', '.join(contract.LOG_LEVELS)}"
    asked = pod.annotations.get(contract.LOG_LEVEL)
    if asked is not None:
        if asked.lower() not in contract.LOG_LEVELS:
            _end(pod, Reason.LOG_LEVEL, field, f"{asked[:60]!r} is no level of a log", remedy)
        return asked.lower(), ()
    if not binding.log_level or binding.log_level.lower() in contract.LOG_LEVELS:
        return binding.log_level.lower() or contract.DEFAULT_LOG_LEVEL, ()
    fault = f"{binding.log_level[:60]!r} is no level of a log; {contract.DEFAULT_LOG_LEVEL} is taken"
    return contract.DEFAULT_LOG_LEVEL, (problems.warning(binding.ref, field, fault, remedy),)


def _passthrough(pod: Pod) -> tuple[int, ...]:
    text = pod.annotations.get(contract.PASSTHROUGH, "")
    try:
        ports = passthrough_ports(text)
    except ValueError as fault:
        field = f"metadata.annotations[{contract.PASSTHROUGH}]"
        _end(pod, Reason.PORTS, field, str(fault), "write ports of the application with commas, as 9100,9200")
    return ports


def passthrough_ports(text: str) -> tuple[int, ...]:
    """Return the ports in a text as `9100,9200`, in order. Raises ValueError."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if wrong := [part for part in parts if not _is_port(part)]:
        raise ValueError(f"{wrong[0][:60]!r} is not a port, which is a number from 1 to 65535")
    ports = sorted({int(part) for part in parts})
    claim.captured("any/any", ports, is_ipv4_only=False)
    return tuple(ports)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65536


# ---------------------------------------------------------------------------- what is to be said all the same

_POWERS: Final = frozenset({"NET_ADMIN", "CAP_NET_ADMIN", "ALL"})
_PORTS: Final = (*claim.PROXY_PORTS, names.INBOUND_PORT, 9901)


def _powers(pod: Pod) -> Iterator[Problem]:
    for field, one in pod.all_containers():
        context = mapping(one.get("securityContext"))
        added = _added(context)
        if context.get("privileged") is True or _POWERS & {*added}:
            what = "is privileged" if context.get("privileged") is True else "has NET_ADMIN"
            fault = f"container {one.get('name')} {what}, and can walk around the proxy"
            yield problems.warning(pod.ref, f"{field}.securityContext", fault, "take that away if it need not be")


def _added(context: Object) -> list[Any]:
    added = mapping(context.get("capabilities")).get("add")
    return [each for each in added if isinstance(each, str)] if isinstance(added, list) else []


def _taken(pod: Pod) -> Iterator[Problem]:
    for field, one in pod.all_containers():
        ports = one.get("ports")
        for number, port in enumerate(ports if isinstance(ports, list) else ()):
            if mapping(port).get("containerPort") in _PORTS:
                fault = f"{mapping(port)['containerPort']} is a port of the proxy's own"
                where = f"{field}.ports[{number}].containerPort"
                yield problems.warning(pod.ref, where, fault, "let the application listen on another")
