"""Rules for the route tables of VirtualServices and IngressGateways.

Law: each function is one rule, named for what it finds; both kinds of table are judged by the same functions.
"""

from collections.abc import Callable, Iterator

from mesh import problems, resources
from mesh.problems import Problem, Ref
from mesh.resources import IngressGatewayRouteTableSpec, VirtualServiceRouteTableSpec
from mesh.rules import choices, wording

Spec = VirtualServiceRouteTableSpec | IngressGatewayRouteTableSpec
Rule = resources.RouteRule | resources.GatewayRouteRule
HttpRoute = resources.HttpRoute | resources.GatewayHttpRoute
Route = (
    HttpRoute
    | resources.TcpRoute
    | resources.TlsPassthroughRoute
    | resources.GatewayTcpRoute
    | resources.GatewayTlsPassthroughRoute
)
Destination = resources.VirtualDeploymentDestination | resources.VirtualServiceDestination

_FULL_WEIGHT = 100


def placed_routes(spec: Spec) -> Iterator[tuple[str, Route]]:
    """Yield each route with its path, as `spec.routeRules[0].httpRoute`, in the order of the rules."""
    rules: tuple[Rule, ...] = spec.route_rules
    for index, rule in enumerate(rules):
        at = f"spec.routeRules[{index}]"
        kinds: tuple[tuple[str, Route | None], ...] = (
            ("httpRoute", rule.http_route),
            ("tcpRoute", rule.tcp_route),
            ("tlsPassthroughRoute", rule.tls_passthrough_route),
        )
        yield from ((f"{at}.{name}", route) for name, route in kinds if route is not None)


def _http_routes(spec: Spec) -> Iterator[tuple[str, HttpRoute]]:
    for at, route in placed_routes(spec):
        if isinstance(route, HttpRoute):
            yield at, route


def ambiguous_rules(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rules 2.7.1 and 2.10.1: a rule has exactly one of httpRoute, tcpRoute and tlsPassthroughRoute."""
    for index, rule in enumerate(spec.route_rules):
        yield from choices.choice_problems(subject, f"spec.routeRules[{index}]", rule)


def unequal_ports(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.7.2: the destinations of one rule name the same port, or all name none."""
    for at, route in placed_routes(spec):
        ports = dict.fromkeys(str(item.port or "none") for item in route.destinations)
        if len(ports) > 1:
            yield problems.error(
                subject,
                f"{at}.destinations",
                f"name different ports: {wording.both(ports)}",
                "give all of them the same port, or none of them a port",
            )


def odd_weights(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.13.1: the weights of a rule add up to 100; other sums are shared out, a sum of 0 serves nobody."""
    for at, route in placed_routes(spec):
        weights = tuple(item.weight for item in route.destinations if item.weight is not None)
        total, is_weighted = sum(weights), isinstance(spec, VirtualServiceRouteTableSpec)
        if weights and total == 0:
            yield problems.warning(
                subject,
                f"{at}.destinations",
                "have no weight above 0, so that the rule answers 503 or closes the connection",
                "give at least one of them a weight above 0",
            )
        elif is_weighted and total != _FULL_WEIGHT:
            yield problems.warning(
                subject,
                f"{at}.destinations",
                f"have weights that add up to {total}, so that they count as {_shares(weights, total)}",
                "make them add up to 100",
            )


def _shares(weights: tuple[int, ...], total: int) -> str:
    return wording.both(f"{100 * weight / total:.4g} %" for weight in weights)


def repeated_destinations(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.13.2: a rule names each destination once; the weights of the same destination are added."""
    for at, route in placed_routes(spec):
        seen = tuple(_identity(item, subject.namespace) for item in route.destinations)
        for index, identity in enumerate(seen):
            if identity != ("", "") and identity in seen[:index]:
                yield problems.warning(
                    subject,
                    f"{at}.destinations[{index}]",
                    "is listed before, and the weights are added",
                    "write it once, with the sum of the weights",
                )


def _identity(destination: Destination, namespace: str) -> tuple[str, str]:
    match destination:
        case resources.VirtualDeploymentDestination(virtual_deployment=reference):
            pass
        case resources.VirtualServiceDestination(virtual_service=reference):
            pass
    if reference.ref is not None:
        return reference.ref.namespace or namespace, reference.ref.name
    return "", reference.id or ""


def odd_paths(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.13.3: a path begins with `/` and holds nothing that a request path cannot hold."""
    for at, route in _http_routes(spec):
        if route.path is not None:
            yield from _path_problems(subject, f"{at}.path", route.path)


def _path_problems(subject: Ref, field: str, path: str) -> Iterator[Problem]:
    if not path.startswith("/"):
        fault = f"{wording.quoted(path)} does not begin with `/` and is read as {wording.quoted('/' + path)}"
        yield problems.warning(subject, field, fault, "begin it with `/`")
    for applies, fault, remedy in _NEVER_MATCHING:
        if applies(path):
            yield problems.error(subject, field, f"{wording.quoted(path)} {fault} and can never match", remedy)
    for letter in (",", "*"):
        if letter in path:
            fault = f"{wording.quoted(path)} has a `{letter}`, which stands for itself"
            yield problems.warning(subject, field, fault, "remove it; a path matches whatever follows its last segment")


_NEVER_MATCHING: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (lambda path: "?" in path or "#" in path, "has a `?` or `#`", "write the part before it"),
    (
        lambda path: any(not "!" <= letter <= "~" for letter in path),
        "has a letter that no request has",
        "encode it with %",
    ),
)


def useless_rewrites(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.10.4: a path is rewritten where there is one to take off."""
    for at, route in _http_routes(spec):
        if isinstance(route, resources.GatewayHttpRoute) and route.is_path_rewrite_enabled and not _is_path(route):
            fault = "changes nothing, because the rule matches every path"
            yield problems.warning(subject, f"{at}.isPathRewriteEnabled", fault, "add the path to be taken off")


def _is_path(route: HttpRoute) -> bool:
    return bool((route.path or "").strip("/"))


def useless_path_types(subject: Ref, spec: Spec) -> Iterator[Problem]:
    """Rule 2.13.4: pathType is written beside a path."""
    for at, route in _http_routes(spec):
        if route.path_type is not None and route.path is None:
            fault = "says how to match a path, but there is none, so that every path matches"
            yield problems.warning(subject, f"{at}.pathType", fault, "add path, or remove pathType")
