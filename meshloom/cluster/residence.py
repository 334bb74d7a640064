"""The program at home in a cluster: its state in Secrets, its webhook, its operator API, and its duties if it leads.

Law: all of a replica that is in the cluster is put together here; what each part does is its own affair.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from mesh.problems import Ref
from meshloom import addresses, company, listening, metrics, ways_in, worker
from meshloom import settings as settings_model
from meshloom.admission import configuration, judge, webhook
from meshloom.cluster import (
    access_reviews,
    evictions,
    gateways,
    home,
    leader,
    mesh_config,
    missed,
    permits,
    pods,
    publishing,
    reports,
    status_duties,
    token_reviews,
    versions,
)
from meshloom.identity import entrance, proofs
from meshloom.injector import configuration as injection_configuration
from meshloom.injector import injection
from meshloom.operator import api as operator_api
from watchers.api_server import ApiServer

NAMESPACE: Final = "meshloom-system"
"""Where it is not said otherwise."""
OPTION: Final = "kubernetes.operator"
WEBHOOK: Final = f"0.0.0.0:{configuration.PORT}"
OPERATOR: Final = "127.0.0.1:15016"
"""In a pod, where it is not said otherwise."""


def namespace() -> str:
    """Return the namespace of the control plane: that of its pod, if it runs in one."""
    return os.environ.get("POD_NAMESPACE") or NAMESPACE


def identity() -> str:
    """Return a name that no other process has."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{secrets.token_hex(4)}"


def names(of: str) -> tuple[str, ...]:
    """Return the DNS names of the control plane's Service in a namespace."""
    short = f"{configuration.SERVICE}.{of}"
    return (short, f"{short}.svc", f"{short}.svc.cluster.local")


def replica(place: leader.Place) -> reports.Replica:
    """Return this replica as it is known to the others."""
    name = os.environ.get("POD_NAME") or place.identity.lower().replace("_", "-")
    return reports.Replica(place.namespace, name, os.environ.get("POD_UID", ""))


def _on_loop(done: Callable[[], None]) -> Callable[[], None]:
    """Return what has this done on the running loop, from any thread."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(done)

    return asked


def _address(said: str, in_a_pod: str) -> addresses.Address | None:
    text = said or (in_a_pod if os.environ.get("POD_NAMESPACE") else settings_model.OFF)
    return None if text == settings_model.OFF else addresses.parsed(text)


class Residence:
    """One replica in its namespace (`company.Company`). Belongs to the event loop."""

    def __init__(self, api: ApiServer, settings: settings_model.Kubernetes) -> None:
        self._api, self._settings = api, settings
        self._place = leader.Place(namespace(), identity())
        self._publisher = publishing.Publisher(api, self._place.namespace)
        self._whose = token_reviews.TokenReviews(api)
        self._pods = pods.Pods()
        self._gateways = gateways.Gateways(api, settings.namespaces)
        self._evictions = evictions.Evictions(api, settings.evictions, self._place)
        self._statuses = status_duties.StatusDuties(api, replica(self._place), lambda: self._gateways.states)
        self._shown = webhook.Shown()
        self.home = home.namespaced(api, self._place.namespace)
        self._judge: judge.Judge | None = None
        self._injection: injection.Injection | None = None
        self._counted: metrics.Metrics | None = None

    def ads(self, given: ways_in.Ads) -> ways_in.Ads:
        """Return the ways in to ADS with what they are in a cluster beside."""
        return dataclasses.replace(
            given,
            names=(*names(self._place.namespace), *given.names),
            kubernetes=proofs.Kubernetes(self._whose, self._pods),
            beside=(self._publisher.take, self._show),
        )

    def onlookers(self, counted: metrics.Metrics, /) -> tuple[worker.Onlooker, ...]:
        """Return who looks at what each pass finds."""
        self._counted, self._judge = counted, judge.Judge(counted.admission)
        self._injection = injection.Injection(counted.injection, followed=self._settings.namespaces)
        self._gateways.counted(counted.gateways)
        self._evictions.counted(counted.evictions)
        seeing = (self._publisher, self._pods, self._gateways, self._evictions)
        return (self._judge, self._injection, *seeing, self._statuses.passes)

    def aside(self, ref: Ref, document: Mapping[str, Any] | None) -> None:
        """Take in how the API server has an object of ours (`watchers.kube.Aside`)."""
        self._statuses.observed.note(ref, document)

    def settled(self) -> None:
        """Take note that what the onlookers saw last is published."""
        self._statuses.passes.settled()

    @contextlib.asynccontextmanager
    async def kept(self, premises: company.Premises, /) -> AsyncIterator[None]:
        """Serve the webhook and the operator API, and lead if it is our turn, until the block ends."""
        if self._counted is None or self._judge is None or self._injection is None:
            raise RuntimeError("ask for the onlookers first")
        begun = self._statuses.begun(premises.peers, premises.snapshots, self._counted.writing)
        own = {"roots": self._publisher.run, "gateways": self._gateways.run, "audit": self._injection.audit}
        duties = {**own, "evictions": self._evictions.run, **begun.duties}
        candidate = leader.Leader(self._api, self._place, duties, self._counted.leading)
        async with contextlib.AsyncExitStack() as doors:
            await self._open(doors, self._desks(doors, self._judge, self._injection), premises)
            self._pods.when_lost(_on_loop(premises.review))
            works = (candidate.run(), begun.run(), self._agree(self._injection), self._told(self._injection))
            running = [asyncio.create_task(work) for work in works]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    def _desks(
        self, doors: contextlib.AsyncExitStack, judging: judge.Judge, injecting: injection.Injection
    ) -> tuple[webhook.Desk, ...]:
        for each in (judging, injecting):
            doors.callback(each.close)
        return (
            webhook.Desk(configuration.PATH, judging),
            webhook.Desk(injection_configuration.PATH, injecting, webhook.WAITING_PODS),
        )

    async def _agree(self, injecting: injection.Injection) -> None:
        """Say on which terms pods get proxies, as soon as it is known what the cluster can do and people chose."""
        terms = self._settings.injection.terms(await versions.known(self._api), self._place.namespace)
        async for told in mesh_config.followed(self._api, self._place.namespace):
            agreed = mesh_config.chosen(terms, told)
            injecting.agree(agreed)
            self._evictions.agree(agreed)
            await self._gateways.agree(agreed)

    async def _told(self, injecting: injection.Injection) -> None:
        """Tell by Events of pods that go without their proxies."""
        telling = missed.Missed(self._api, self._place.identity)
        injecting.tell(telling)
        await telling.run()

    async def _open(
        self, doors: contextlib.AsyncExitStack, desks: tuple[webhook.Desk, ...], premises: company.Premises
    ) -> None:
        if (at := _address(self._settings.webhook, WEBHOOK)) is not None:
            await doors.enter_async_context(webhook.served(desks, self._shown, at))
        if (at := _address(self._settings.operator, OPERATOR)) is not None:
            guard = permits.Permits(self._whose, access_reviews.AccessReviews(self._api)).guard
            told = operator_api.application(premises.peers, premises.snapshots, (guard,))
            await doors.enter_async_context(listening.served(told, at, OPTION))

    def _show(self, own: entrance.Own) -> None:
        self._shown.show(own.chain, own.key)
