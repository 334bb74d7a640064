"""The file a gRPC program reads that speaks xDS itself: who it is, and where its control plane is.

Law: pure; what it holds is understood by gRPC in every language, and losing a listener is losing access: gRPC is never
told to ignore that.
"""

from typing import Any

from meshloom import addresses
from meshloom.identity import claim
from translator import proxies

ENVIRONMENT = "GRPC_XDS_BOOTSTRAP"
"""The variable of the environment that names the file; gRPC reads it once in the life of a process."""


def bootstrap(proxy: proxies.Proxyless, control_plane: addresses.Address) -> dict[str, Any]:
    """Return the bootstrap of a program, for a control plane that serves ADS in clear."""
    return {
        "xds_servers": [
            {
                "server_uri": str(control_plane),
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],  # gRPC of before 2023 asks for it
            }
        ],
        "node": {"id": claim.node_id(proxy), "cluster": claim.owner(proxy).key, "metadata": claim.metadata(proxy)},
    }
