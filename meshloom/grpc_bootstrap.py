"""The file a gRPC program reads that speaks xDS itself: who it is, and where its control plane is.

Law: pure; what it holds is understood by gRPC in every language, and losing a listener is losing access: gRPC is never
told to ignore that.
"""

from typing import Any

from meshloom import addresses, secure_ads
from meshloom.identity import claim
from translator import proxies

ENVIRONMENT = "GRPC_XDS_BOOTSTRAP"
"""The variable of the environment that names the file; gRPC reads it once in the life of a process."""

READS_TOKENS = "GRPC_EXPERIMENTAL_XDS_BOOTSTRAP_CALL_CREDS"
"""With `true` in this variable gRPC 1.85 reads tokens that the file names (gRFC A97), otherwise it passes them over."""

REFRESH = "60s"
"""How long gRPC takes a root or certificate for the newest."""


def bootstrap(
    proxy: proxies.Proxyless,
    control_plane: addresses.Dialled,
    root: str = "",
    own: secure_ads.Token | secure_ads.Certificate | None = None,
) -> dict[str, Any]:
    """Return the bootstrap of a program. With `own`, what it shows of itself, ADS is over TLS and `root` is the file of
    the roots that the control plane is known by; otherwise it is in clear.
    """
    return {
        "xds_servers": [
            {
                "server_uri": str(control_plane),
                **_credentials(root, own),
                "server_features": ["xds_v3"],  # gRPC of before 2023 asks for it
            }
        ],
        "node": {"id": claim.node_id(proxy), "cluster": claim.owner(proxy).key, "metadata": claim.metadata(proxy)},
    }


def _credentials(root: str, own: secure_ads.Token | secure_ads.Certificate | None) -> dict[str, Any]:
    trusted = {"ca_certificate_file": root, "refresh_interval": REFRESH}
    match own:
        case None:
            return {"channel_creds": [{"type": "insecure"}]}
        case secure_ads.Token(path):
            jwt = {"type": "jwt_token_file", "config": {"jwt_token_file": path}}
            return {"channel_creds": [{"type": "tls", "config": trusted}], "call_creds": [jwt]}
        case secure_ads.Certificate(path, key):
            pair = {"certificate_file": path, "private_key_file": key}
            return {"channel_creds": [{"type": "tls", "config": {**trusted, **pair}}]}
