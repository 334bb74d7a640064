"""What gateways show to strangers: certificates and CA bundles out of the Secrets that their listeners name.

Law: a Secret that was good and is broken leaves the last good one in use for as long as it is there, and says so; one
that is taken away is. Told the time, pure.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from mesh import certificates, graph, inventory, problems, resolve, workloads
from mesh.certificates import Use
from mesh.problems import Problem, Ref
from translator import names, secrets
from translator.bundles import Part

SOON = 7 * 24 * 3600.0
"""So many seconds before a certificate ends it is said."""

Secrets = Mapping[Ref, workloads.Secret]


def named(gateways: Mapping[Ref, graph.Gateway], there: Secrets) -> dict[Ref, tuple[Any, ...]]:
    """Return for each gateway, by what gives it, the Secrets that its listeners name, with their use."""
    return {ref: tuple((there[name], use) for name, use in _wanted(gateway)) for ref, gateway in gateways.items()}


def part(*wanted: tuple[workloads.Secret, Use]) -> Part:
    """Return these Secrets as a proxy takes them."""
    return tuple(
        secrets.certificate(
            names.certificate(secret.ref),
            certificates.value(secret, certificates.CHAIN),
            certificates.value(secret, certificates.KEY),
        )
        if use is Use.SERVER
        else secrets.roots(names.roots(secret.ref), certificates.value(secret, certificates.ROOTS))
        for secret, use in wanted
    )


def _wanted(gateway: graph.Gateway) -> tuple[tuple[Ref, Use], ...]:
    hosts = [host.tls for port in gateway.ports for host in port.hosts]
    blocks = [tls for tls in (*hosts, *(port.tcp.tls for port in gateway.ports if port.tcp)) if tls]
    found = [(one.certificate, Use.SERVER) for one in blocks]
    found += [(one.authorities, Use.CLIENTS) for one in blocks if one.authorities]
    return tuple(dict.fromkeys(found))


# ---------------------------------------------------------------------------- what broke


def with_last_good(seen: inventory.Inventory, before: resolve.Resolution) -> inventory.Inventory:
    """Return what was seen, with those Secrets of gateways that have broken since as they were when they were good."""
    kept = dict(_broken(seen, before))
    return seen.with_changes(kept.values()) if kept else seen


def broken(
    seen: inventory.Inventory, of: resolve.Resolution, unused: frozenset[tuple[Ref, Use]] = frozenset()
) -> Iterator[Problem]:
    """Yield what is wrong with Secrets that are there, but not used as they are."""
    there, used = seen.of(workloads.Secret), of.inventory.of(workloads.Secret)
    for ref, use in of.gateway_secrets:
        if ref in there and there[ref] is not used.get(ref) and (ref, use) not in unused:
            fault = certificates.standing(there[ref], use).fault
            if fault:
                said = f"{fault}, so that gateways go on with the last good one"
                yield problems.error(ref, "data", said, certificates.REMEDIES[use])


def _broken(seen: inventory.Inventory, before: resolve.Resolution) -> Iterator[tuple[Ref, workloads.Secret]]:
    there, used = seen.of(workloads.Secret), before.inventory.of(workloads.Secret)
    for (ref, use), standing in before.gateway_secrets.items():
        new, old = there.get(ref), used.get(ref)
        is_other = new is not None and old is not None and new is not old
        if is_other and not standing.fault and certificates.standing(new, use).fault and old is not None:
            yield ref, old


# ---------------------------------------------------------------------------- what ends


def told(
    seen: inventory.Inventory, of: resolve.Resolution, now: float, at_home: frozenset[Ref] = frozenset()
) -> tuple[Problem, ...]:
    """Return what is wrong with the Secrets of gateways beside what keeps listeners from being served.

    `at_home` are the gateways of which a proxy is connected that runs for no deployment.
    """
    unused = of.unused_secrets(at_home)
    return tuple(sorted({*broken(seen, of, unused), *endings(of, now, unused)}))


def endings(of: resolve.Resolution, now: float, unused: frozenset[tuple[Ref, Use]] = frozenset()) -> Iterator[Problem]:
    """Yield what is to be said of Secrets whose certificates do not count now, or will not soon."""
    for (ref, use), standing in of.gateway_secrets.items():
        if not standing.fault and (ref, use) not in unused and (said := _said(standing, use, now)):
            yield problems.warning(ref, "data", said, "put a newer one there; it is taken up at once")


def _said(standing: certificates.Standing, use: Use, now: float) -> str:
    what = f"holds a {certificates.CHAIN}" if use is Use.SERVER else f"holds a {certificates.ROOTS}"
    if now < standing.starts:
        return f"{what} that counts only from {_date(standing.starts)} on, so that clients refuse it until then"
    if now >= standing.ends:
        return f"{what} that expired at {_date(standing.ends)}, so that clients and gateways refuse each other"
    return f"{what} that expires at {_date(standing.ends)}" if now > standing.ends - SOON else ""


def _date(seconds: float) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def next_look(of: resolve.Resolution, now: float) -> float | None:
    """Return in how many seconds `endings` will say something else; None if never."""
    moments = (
        moment - now
        for standing in of.gateway_secrets.values()
        if not standing.fault
        for moment in (standing.starts, standing.ends - SOON, standing.ends)
        if moment > now
    )
    return min(moments, default=None)
