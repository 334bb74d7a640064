"""The addresses of the ADS server, as gRPC opens them, and what gRPC tells of who comes in.

Law: a peer that is slow to say who it is costs little and not for long. TLS material is asked for at each connection,
and the last that was good serves while there is none.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import structlog

from xds import limits as limits_of
from xds import ports
from xds import transport as transports

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """An address in gRPC's form ("0.0.0.0:18000", "[::]:0", "unix:/run/ads.sock"); `tls` returns the current
    material and is asked again for each connection, in a thread of gRPC's; None is for loopback and unix sockets.

    Whether clients need a certificate is settled by the first material: it has a `client_ca` or has none.
    """

    address: str
    tls: Callable[[], ports.Tls] | None = None


class AddressError(RuntimeError):
    """An address that cannot be opened."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} cannot be opened")
        self.address = address


def options(limits: limits_of.Limits) -> tuple[tuple[str, int], ...]:
    """Return the options of a server within these limits."""
    return (
        ("grpc.so_reuseport", 0),  # a second server on the address is a mistake, not a partner
        ("grpc.server_handshake_timeout_ms", int(limits.handshake * 1000)),  # TLS, and the first words of HTTP/2
        ("grpc.max_connection_idle_ms", int(limits.idle * 1000)),  # of a connection without a stream
        ("grpc.max_connection_age_ms", int(limits.age * 1000)),  # its streams go on
        ("grpc.server.max_pending_requests", limits.streams),  # all proxies may return at once; beyond, some are cut
        ("grpc.server.max_pending_requests_hard_limit", 2 * limits.streams),
        ("grpc.max_receive_message_length", limits.request_bytes),
        ("grpc.max_send_message_length", -1),  # a full set may be larger than 4 MiB
        ("grpc.max_concurrent_streams", limits.streams_per_connection),
        ("grpc.keepalive_time_ms", int(limits.keepalive * 1000)),
        ("grpc.keepalive_timeout_ms", int(limits.keepalive_timeout * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.bdp_probe", 0),  # requests are small: nothing to find out about bandwidth
        ("grpc.enable_channelz", 0),  # nobody asks for its records of every message
        ("grpc.http2.max_ping_strikes", 0),  # proxies ping as often as their bootstrap says
    )


def bound(server: Any, listen: Listen) -> int:
    """Open an address of a gRPC server; return its port, 1 for a unix socket. Raises AddressError if it is taken."""
    try:
        if listen.tls is None:
            return int(server.add_insecure_port(listen.address))
        return int(server.add_secure_port(listen.address, _credentials(listen.tls)))
    except RuntimeError:
        raise AddressError(listen.address) from None


def transport(context: Any) -> transports.Transport:
    """Return the two ends of a stream."""
    return transports.Transport(context.read, context.write, grpc.aio.EOF)


def caller(context: Any) -> ports.Caller:
    """Return what gRPC knows of who opened a stream."""
    told: Mapping[str, list[bytes]] = context.auth_context()
    encrypted = told.get("transport_security_type") == [_TLS]
    certificate, chain = (b"".join(told.get(name, ())) for name in ("x509_pem_cert", "x509_pem_cert_chain"))
    return ports.Caller(context.peer(), _metadata(context), encrypted, certificate, chain)


_TLS: Final = b"ssl"


def _metadata(context: Any) -> Mapping[str, str]:
    pairs = context.invocation_metadata() or ()
    return {key.lower(): value for key, value in pairs if isinstance(value, str)}


def _credentials(tls: Callable[[], ports.Tls]) -> Any:
    first = tls()
    fetched = _Fetched(tls, first)
    needs_certificate = first.client_ca is not None
    return grpc.dynamic_ssl_server_credentials(
        _configuration(first), fetched.next, require_client_authentication=needs_certificate
    )


class _Fetched:
    """Asks for TLS material, and tells gRPC only of what is new: it keeps what it has made of the last."""

    def __init__(self, tls: Callable[[], ports.Tls], first: ports.Tls) -> None:
        self._tls, self._current, self._lock = tls, first, threading.Lock()

    def next(self) -> Any:
        with self._lock:
            try:
                material = self._tls()
                if material == self._current:
                    return None
                made = _configuration(material)
            except Exception:  # the connection is served with what was good before
                _log.exception("ads.tls_failed")
                return None
            self._current = material
            return made


def _configuration(material: ports.Tls) -> Any:
    pairs = [(material.private_key, material.certificate_chain)]
    return grpc.ssl_server_certificate_configuration(pairs, root_certificates=material.client_ca)
