"""Who a client says it is: the parts of its node that the program may want to know.

Law: a claim, not a proof; nothing here is trusted before the program has identified the peer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf import json_format

from xds.wire import discovery_pb2

Json = None | bool | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Node:
    """`metadata` is the node's Struct as JSON values; `version` is the user agent's, "" if it does not say."""

    id: str
    cluster: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    user_agent: str = ""
    version: str = ""
    features: frozenset[str] = frozenset()


def node(message: discovery_pb2.Node) -> Node:
    """Return the node of a first request (rule C1)."""
    return Node(
        message.id,
        message.cluster,
        json_format.MessageToDict(message.metadata),
        message.user_agent_name,
        _version(message),
        frozenset(message.client_features),
    )


def _version(message: discovery_pb2.Node) -> str:
    if not message.HasField("user_agent_build_version"):
        return message.user_agent_version
    version = message.user_agent_build_version.version
    return f"{version.major_number}.{version.minor_number}.{version.patch}"
