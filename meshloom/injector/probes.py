"""Probes that kubelet sends, led to the proxy, which asks the application: kubelet has no certificate.

Law: what a probe asks, and with which headers, stays as it is, and so do its times. One that asks another machine than
the pod, or a port that the container has no name for, is left alone. So are hooks: whoever reaches the proxy's port can
have a probe asked, which does nothing, but not a hook, which may end the application.
"""

from collections.abc import Iterator
from typing import Any, Final

from mesh import problems
from mesh.problems import Problem
from meshloom.identity import claim
from meshloom.injector import contract, targets
from meshloom.injector.pods import Json, Object, Pod, mapping, objects
from meshloom.injector.targets import Target

PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
_HANDLERS: Final = {"httpGet": (targets.HTTP, targets.HTTPS), "tcpSocket": (targets.TCP,), "grpc": (targets.GRPC,)}
_SECONDS = 1

LIFECYCLE: Final = "lifecycle"
HOOKS: Final = ("postStart", "preStop")


def rewritten(container: Object) -> Json:
    """Return a container whose probes go to the proxy."""
    return {**container, **{name: _led(container, container[name]) for name in PROBES if name in container}}


def recorded(container: Object) -> Iterator[tuple[Target, float]]:
    """Yield what the probes of a container ask, each with the seconds it may take."""
    for name in PROBES:
        probe = mapping(container.get(name))
        target = _target(container, probe)
        if target is not None:
            seconds = probe.get("timeoutSeconds")
            yield target, seconds if isinstance(seconds, int) and seconds > 0 else _SECONDS


def doubts(pod: Pod) -> Iterator[Problem]:
    """Yield what is to be said of probes and hooks that are left alone."""
    for field, container in pod.all_containers():
        for name in PROBES:
            probe = mapping(container.get(name))
            if _handler(probe) and _target(container, probe) is None:
                fault = "asks another machine, or a port that its container has no name for, and is left as it is"
                remedy = "leave out its host, and name a port of the container"
                yield problems.warning(pod.ref, f"{field}.{name}", fault, remedy)
        for name in HOOKS:
            hook = mapping(mapping(container.get(LIFECYCLE)).get(name))
            if _handler(hook) == "httpGet" and not mapping(hook["httpGet"]).get("host"):
                fault = "is asked by kubelet, which has no certificate, and is refused where the service is STRICT"
                remedy = "let it run a program (exec), or open its port by the annotation " + contract.PASSTHROUGH
                yield problems.warning(pod.ref, f"{field}.{LIFECYCLE}.{name}", fault, remedy)


def _led(container: Object, probe: Any) -> Any:
    target = _target(container, mapping(probe))
    if target is None:
        return probe
    handler = _handler(probe)
    kept = [dict(one) for one in objects(mapping(probe[handler]).get("httpHeaders")) if not _is_ours(one)]
    told = [{"name": header, "value": value} for header, value in targets.headers(target)]
    asked = {"httpHeaders": [*told, *kept], "path": targets.PATH, "port": claim.HEALTH_PORT, "scheme": "HTTP"}
    return {**{field: value for field, value in probe.items() if field != handler}, "httpGet": asked}


def _is_ours(header: Object) -> bool:
    name = header.get("name")
    return isinstance(name, str) and targets.is_of_proxy(name)


def _handler(probe: Object) -> str:
    return next((name for name in _HANDLERS if isinstance(probe.get(name), dict)), "")


def _target(container: Object, probe: Object) -> Target | None:
    """Return what a probe asks of the pod, None if nothing that the proxy can ask."""
    handler = _handler(probe)
    told = mapping(probe.get(handler))
    port, host = _port(container, told.get("port")), told.get("host") or targets.LOCALHOST
    if port is None or host not in (targets.LOCALHOST, *targets.LOOPBACK):
        return None
    match handler:
        case "httpGet":
            scheme = targets.HTTPS if told.get("scheme") == "HTTPS" else targets.HTTP
            return Target(scheme, host, port, str(told.get("path") or "/"))
        case "grpc":
            return Target(targets.GRPC, host, port, str(told.get("service") or ""))
        case _:
            return Target(targets.TCP, host, port)


def _port(container: Object, written: object) -> int | None:
    """Return a port by its number, or by its name in this container."""
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    if isinstance(written, str) and written.isascii() and written.isdigit():
        return int(written)
    named = (one.get("containerPort") for one in objects(container.get("ports")) if one.get("name") == written)
    return next((port for port in named if isinstance(port, int)), None)
