"""What is wrong with the Secrets of gateways: on an IngressGateway, or on the IngressGatewayDeployment that lists them.

Law: whoever can mend it is told. What ids stand for is the gateway's; what is named is the deployment's where there is
one that counts, otherwise the gateway's, too.
"""

from collections.abc import Iterator
from typing import NamedTuple

from mesh import certificates, problems, resources
from mesh.problems import Problem
from mesh.resolve import gateway_tls
from mesh.resolve.gateway_tls import Keys
from mesh.resolve.gateways import Outline
from mesh.rules import gateway_conflicts, names, wording


class Faults(NamedTuple):
    """Why listeners of a gateway are not served for want of Secrets beside it: of those that ids stand for, and of
    those that are named.
    """

    by_id: tuple[Problem, ...] = ()
    named: tuple[Problem, ...] = ()


def faults(of: Outline | None, keys: Keys) -> Faults:
    """Return what is wrong with the Secrets of a gateway's listeners, taken from beside it."""
    if of is None:
        return Faults()
    sources = [one for each in of.listeners for one in gateway_tls.sources(each.placed.at, each.placed.listener, keys)]
    by_id, named = ([one for one in sources if (one.id is None) is is_named] for is_named in (False, True))
    subject = of.gateway.ref
    return Faults(
        *(tuple(told for one in some for told in gateway_tls.faults(subject, one, keys)) for some in (by_id, named))
    )


def listed(written: resources.IngressGatewayDeployment) -> frozenset[str]:
    """Return the names of the Secrets that a deployment lists."""
    return frozenset(secret.secret_name for secret in written.spec.secrets) if written.spec else frozenset()


def unlisted(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway, *, in_cluster: bool
) -> Iterator[Problem]:
    """Rule 2.13.32: a deployment lists each Secret that a listener of its gateway names."""
    there = listed(written)
    for name in sorted(_named(gateway) - there):
        what = f"Secret {wording.printable(name)}, which a listener of {gateway.ref} names, is not among the secrets"
        correct = "correct the name there, which no Secret can have, and list it here"
        remedy = f"add secretName: {name}" if names.is_subdomain(name) else correct
        if in_cluster:
            yield problems.error(written.ref, "spec.secrets", f"{what}, so that the listener is not served", remedy)
        else:
            said = f"{what}, so that in a cluster the listener is not served"
            yield problems.warning(written.ref, "spec.secrets", said, remedy)


def _named(gateway: resources.IngressGateway) -> set[str]:
    placed = gateway_conflicts.sorted_listeners(gateway.spec).served if gateway.spec else ()
    keys = Keys(gateway.metadata.namespace)
    sources = (source for one in placed for source in gateway_tls.sources(one.at, one.listener, keys))
    return {source.secret.name for source in sources if source.secret is not None and source.id is None}


def unusable(
    written: resources.IngressGatewayDeployment, gateway: resources.IngressGateway, keys: Keys
) -> Iterator[Problem]:
    """Rule 2.9.6: the Secrets that a deployment lists, and that listeners of its gateway name, can be used."""
    places = {
        one.secret_name: index for index, one in reversed([*enumerate(written.spec.secrets if written.spec else ())])
    }
    for (ref, use), said in keys.faults.items():
        if said and ref.namespace == keys.namespace and ref.name in places:
            name = problems.Ref("Secret", ref.namespace, wording.printable(ref.name))
            fault = f"{name} {said}, so that listeners of {gateway.ref} which name it are not served"
            field = f"spec.secrets[{places[ref.name]}].secretName"
            yield problems.error(written.ref, field, fault, certificates.REMEDIES[use])
