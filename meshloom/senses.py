"""What the program follows: a folder of files, or the objects of a Kubernetes API server.

Law: the rest of the program does not mind which; both tell the same events.
"""

import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mesh import resources, workloads
from mesh.problems import Ref
from mesh.resolve import gateway_secrets, gateway_tls
from mesh.resources import Resource
from meshloom import settings as settings_model
from watchers import api_server, feed, files, following, kube, standing


def _nothing() -> tuple[standing.Standing, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Senses:
    """A source, how people call it, and how well each of its kinds is followed, where it has kinds; whether it is a
    cluster.
    """

    said: str
    source: feed.Source
    standings: Callable[[], tuple[standing.Standing, ...]] = _nothing
    is_cluster: bool = False


def folder(path: pathlib.Path, settings: settings_model.Files) -> Senses:
    """Return the senses of a program that follows a folder of files."""
    source = files.FileSource(path, poll=settings.poll_seconds, largest=settings.largest_bytes)
    return Senses(f"folder {path}", source)


def cluster(api: api_server.ApiServer, settings: settings_model.Settings, aside: kube.Aside = kube.ignored) -> Senses:
    """Return the senses of a program that follows an API server; `aside` is told how our objects are written there."""
    chosen = settings.kubernetes
    pace = following.Pace(silence=chosen.silence_seconds, patience=chosen.patience_seconds)
    secrets = references(settings.certificates.authorities, settings.model().gateway_secrets)
    source = kube.KubeSource(api, kube.Wanted(chosen.namespaces, secrets, pace=pace), aside)
    where = f"namespaces {', '.join(chosen.namespaces)} of " if chosen.namespaces else ""
    return Senses(f"{where}the Kubernetes API", source, lambda: source.standings, is_cluster=True)


def references(authorities: Mapping[str, str], ids: Mapping[str, Ref]) -> Callable[[Resource], Iterable[Ref]]:
    """Return what says of an object to which Secrets it refers, given those that ids stand for.

    A gateway refers to those beside it also where it is deployed: proxies that join by a token get these.
    """
    signing = {name: Ref(workloads.Secret.__name__, *address.split("/", 1)) for name, address in authorities.items()}

    def found(resource: Resource) -> Iterable[Ref]:
        match resource:
            case resources.IngressGateway(spec=spec) if spec is not None:
                wanted = gateway_tls.wanted(spec, gateway_tls.Keys(resource.metadata.namespace, ids))
                return (secret for secret, _ in wanted)
            case resources.IngressGatewayDeployment():
                named = sorted(gateway_secrets.listed(resource))
                return (Ref(workloads.Secret.__name__, resource.metadata.namespace, name) for name in named)
            case resources.Mesh(spec=spec) if spec is not None:
                return (signing[one.id] for one in spec.certificate_authorities if one.id in signing)
            case _:
                return ()

    return found
