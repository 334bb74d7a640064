"""What one peer, and all together, may ask of the ADS server.

Law: every limit is a number that says what it is of; nothing is without one.
"""

from dataclasses import dataclass

from xds import responses


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer, and all together, may ask of the server. Times in seconds, sizes in bytes.

    `cache_bytes` bounds what is kept of finished responses, to be sent to other streams as they are.
    `streams` are served at once, `starting` are identified at once; those beyond queue (nobody is refused for coming at
    a bad time). `streams_per_peer` counts those of one key and node id; one more is refused. A connection has
    `handshake` for TLS and HTTP/2 to begin, lasts `idle` without a stream, and is given no new one after `age`: a
    client whose certificate was renewed has to come by another to show it. A stream whose proof is withdrawn has
    `farewell` for what is being written.
    """

    request_bytes: int = 4 << 20
    cache_bytes: int = responses.CACHE_BYTES
    names: int = 10_000
    streams_per_peer: int = 4
    streams: int = 10_000
    starting: int = 64
    streams_per_connection: int = 100
    handshake: float = 10.0
    idle: float = 60.0
    age: float = 60.0
    first_request: float = 30.0
    ack: float = 20.0
    keepalive: float = 30.0
    keepalive_timeout: float = 10.0
    farewell: float = 0.5
