"""The authorities of all meshes, as the pipeline asks for them.

Law: in the worker thread alone. What proxies have acknowledged is compared by the versions of what they were sent;
where nobody has looked, nothing counts as acknowledged.
"""

import functools
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import structlog

from mesh import graph, identity, inventory, workloads
from meshloom.identity import acknowledged
from meshloom.identity.authority import issue, keeper, stores
from meshloom.identity.authority.credentials import Bundle, Credentials, Event, What
from translator import names, proxies, secrets

_log = structlog.get_logger(__name__)

_OF_LEAVES = (What.ISSUED, What.RENEWED)
"""So many of them at a time that only their number is told."""


FOLDER = "authorities"
"""In the state folder."""


def store(state: pathlib.Path) -> stores.Store:
    """Return where the authorities of this state folder are kept."""
    return stores.FolderStore(state / FOLDER)


class Observer(Protocol):
    """Who counts what is issued."""

    def issued(self, what: What, count: int) -> None:
        """Note that something was done so many times."""

    def lasts(self, soonest: float) -> None:
        """Note when the first of all certificates ends, in seconds since the epoch; 0 where there are none."""


class Authorities:
    """Issues the credentials of all proxies (`meshloom.worker.Authority`)."""

    def __init__(self, kept: keeper.Keeper, observer: Observer) -> None:
        self._kept, self._observer = kept, observer
        self._leaves: Mapping[identity.Identity, issue.Leaf] | None = None

    def credentials(
        self,
        of: graph.Graph,
        identities: frozenset[identity.Identity],
        seen: inventory.Inventory,
        held: acknowledged.Held | None,
    ) -> Credentials:
        """Return the credentials of these identities now; what is wrong is among their problems."""
        there = seen.of(workloads.Secret)
        given = self._kept.credentials(of.meshes, identities, there, _Acknowledged(of, held))
        self._tell(given)
        return given

    def _tell(self, given: Credentials) -> None:
        tell(given.events, self._observer)
        if given.leaves is not self._leaves:
            self._leaves = given.leaves
            self._observer.lasts(min((leaf.not_after for leaf in given.leaves.values()), default=0.0))


def tell(events: Iterable[Event], observer: Observer) -> None:
    """Say in the log what has been done, and have it counted."""
    found = tuple(events)
    for what, count in Counter(event.what for event in found).items():
        observer.issued(what, count)
        if what in _OF_LEAVES:
            _log.info(f"certificates.{what.name.lower()}", count=count)
    for event in found:
        if event.what not in _OF_LEAVES:
            _log.info(f"root.{event.what.name.lower()}", of=event.subject, what=event.what.value)


class _Acknowledged:
    """What the proxies that are connected have acknowledged (`credentials.Acknowledged`)."""

    def __init__(self, of: graph.Graph, held: acknowledged.Held | None) -> None:
        self._of, self._held = of, held

    def is_everywhere(self, bundle: Bundle) -> bool:
        """Return whether every connected proxy of the bundle's trust domain has acknowledged exactly this one."""
        version = secrets.authorities_secret(bundle.pem).version
        members = (of for of in self._streams if of.trust_domain == bundle.trust_domain)
        return self._held is not None and all(self._hold(of, names.AUTHORITIES, version) for of in members)

    def is_held(self, member: identity.Identity, leaf: issue.Leaf) -> bool:
        """Return whether every connected proxy of this identity has acknowledged exactly this certificate."""
        version = secrets.identity_secret(leaf.chain, leaf.key.pem).version
        return self._held is not None and self._hold(member, names.IDENTITY, version)

    def _hold(self, of: identity.Identity, name: str, version: str) -> bool:
        """Return whether all streams of an identity that ask for the secret of this name hold this version of it."""
        return all(stream.get(name, version) == version for stream in self._streams.get(of, ()))

    @functools.cached_property
    def _streams(self) -> Mapping[identity.Identity, tuple[Mapping[str, str], ...]]:
        found: dict[identity.Identity, tuple[Mapping[str, str], ...]] = {}
        for proxy, streams in (self._held or {}).items():
            if (of := self._identity(proxy)) is not None:
                found[of] = (*found.get(of, ()), *streams)
        return found

    def _identity(self, proxy: proxies.Proxy) -> identity.Identity | None:
        if isinstance(proxy, proxies.Gateway):
            gateway = self._of.gateways.get(proxy.gateway)
            return gateway.identity if gateway is not None else None
        deployment = self._of.deployments.get(proxy.deployment)
        service = self._of.services.get(deployment.service) if deployment is not None else None
        return service.identity if service is not None else None
