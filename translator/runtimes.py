"""Runtimes: what of a proxy may be switched while its listeners and connections stay as they are.

Law: there are as many as there are switches, the same for all proxies; each proxy has one, and waits for it when it
starts.
"""

import functools

from envoy_data_plane.envoy.service.runtime import v3 as runtime_v3
from envoy_data_plane.google import protobuf

from translator import names, resources, wire
from translator.bundles import Part

_ALL = 100.0


@functools.cache
def part(is_logged: bool) -> Part:
    """Return the runtime of a proxy that writes an access log, or none."""
    value = protobuf.Value(number_value=_ALL if is_logged else 0.0)
    message = runtime_v3.Runtime(name=names.RUNTIME, layer=protobuf.Struct(fields={names.LOGGING: value}))
    return (resources.encoded(resources.RUNTIME, names.RUNTIME, wire.encode(message)),)
