"""Which secrets the connected proxies hold, as far as they have acknowledged them.

Law: a stream that never asked for a secret holds nobody up, for it knows nobody by it.
"""

from collections.abc import Mapping

from translator import proxies, resources
from xds import peers

Held = Mapping[proxies.Proxy, tuple[Mapping[str, str], ...]]
"""For each proxy the secrets that its streams ask for: name -> version, empty where none is acknowledged."""


def held(connected: peers.Peers) -> Held:
    """Return what all streams hold; costs a look at each of them."""
    found: dict[proxies.Proxy, tuple[Mapping[str, str], ...]] = {}
    for view in connected.views():
        key = view.peer.key
        if isinstance(key, proxies.Proxy):
            found[key] = (*found.get(key, ()), _secrets(connected, view.peer.stream))
    return found


def _secrets(connected: peers.Peers, stream: int) -> Mapping[str, str]:
    versions = connected.held(stream, resources.SECRET)
    return {name: versions.get(name, "") for name in connected.standing(stream, resources.SECRET).names}
