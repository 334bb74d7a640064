"""The options that say where a proxy and its application listen, as values.

Law: an option is checked here once; its message names it.
"""

from collections.abc import Mapping, Sequence

from meshloom import addresses, errors
from meshloom.identity import claim, ways
from translator import proxies


def ip(option: str, text: str) -> str:
    """Return the IP address given to an option. Raises errors.UserError."""
    try:
        return addresses.ip(text)
    except ValueError as fault:
        raise errors.UserError(f"{option}: {fault}") from None


def address(option: str, text: str) -> addresses.Address:
    """Return the address given to an option. Raises errors.UserError."""
    try:
        return addresses.parsed(text)
    except ValueError as fault:
        raise errors.UserError(f"{option}: {fault}") from None


def ports(pairs: Sequence[str]) -> dict[int, int]:
    """Return listener port -> application port of options such as `9080=8080`. Raises errors.UserError."""
    found = [_pair(text) for text in pairs]
    if len(dict(found)) < len(found):
        raise errors.UserError("--application-port: a listener port is given twice; give each once")
    return dict(found)


def led(options: Sequence[str]) -> list[proxies.TcpWay]:
    """Return the ways out for TCP of options such as `shop/db=127.0.0.1:5432`. Raises errors.UserError."""
    try:
        return [ways.parsed(text) for text in options]
    except ValueError as fault:
        raise errors.UserError(f"--outbound-tcp: {fault}") from None


def sidecar(
    proxy: str, workload: str, application: str, mapped: Sequence[str], outbound_tcp: Sequence[str] = ()
) -> proxies.Sidecar:
    """Return the sidecar that the options describe. Raises errors.UserError."""
    if not application:
        raise errors.UserError(
            "--application-address is missing; name the address that the application listens on, as 127.0.0.1"
        )
    found = (_workload(workload), ip("--application-address", application))
    try:
        return claim.sidecar(proxy, *found, ports(mapped), led(outbound_tcp))
    except ValueError as fault:
        raise errors.UserError(_named(proxy, fault)) from None


def captured(proxy: str, passthrough: Sequence[int], *, is_ipv4_only: bool) -> proxies.Sidecar:
    """Return the sidecar in transparent capture that the options describe. Raises errors.UserError."""
    option = "--passthrough-inbound-port"
    for port in passthrough:
        if not 0 < port < 65536:
            raise errors.UserError(f"{option}: {port} is not a port, which is a number from 1 to 65535")
    try:
        return claim.captured(proxy, passthrough, is_ipv4_only=is_ipv4_only)
    except ValueError as fault:
        text = _named(proxy, fault)
        raise errors.UserError(text if text.startswith("--") else f"{option}: {text}") from None


def refuse(given: Mapping[str, object], words: str) -> None:
    """Refuse options that are of no use here, for which `words` say why. Raises errors.UserError."""
    for option, value in given.items():
        if value:
            raise errors.UserError(f"{option} {words}")


def gateway(proxy: str, workload: str, application: str, outbound_tcp: Sequence[str] = ()) -> proxies.Gateway:
    """Return the gateway proxy that the options describe. Raises errors.UserError."""
    for option, given in {"--application-address": application, "--outbound-tcp": outbound_tcp}.items():
        if given:
            raise errors.UserError(f"{option}: a gateway has no application; leave it out")
    try:
        return claim.gateway(proxy, _workload(workload))
    except ValueError as fault:
        raise errors.UserError(_named(proxy, fault)) from None


def proxyless(proxy: str, others: Mapping[str, object]) -> proxies.Proxyless:
    """Return the gRPC program that the options describe; `others` are those it has no use for. Raises UserError."""
    refuse(others, "is for an Envoy; a gRPC program without one has no use for it, leave it out")
    try:
        return claim.proxyless(proxy)
    except ValueError as fault:
        raise errors.UserError(_named(proxy, fault)) from None


def _workload(address: str) -> str:
    if not address:
        raise errors.UserError("--workload-address is missing; name the address that the proxy binds, as 127.0.1.1")
    return ip("--workload-address", address)


def _named(proxy: str, fault: ValueError) -> str:
    return f"--proxy: {proxy!r} {fault}, as shop/pets-v1" if "of the form" in str(fault) else str(fault)


def _pair(text: str) -> tuple[int, int]:
    listener, equals, application = text.partition("=")
    if not equals or not all(_is_port(port) for port in (listener, application)):
        raise errors.UserError(
            f"--application-port: {text!r} is not PORT=PORT with ports from 1 to 65535, as 9080=8080"
        )
    return int(listener), int(application)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536
