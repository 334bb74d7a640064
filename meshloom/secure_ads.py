"""How an Envoy proves to the control plane who it is, and knows it for the control plane: TLS, and what goes with it.

Law: pure. What is secret is named by the path of its file, never written anywhere; Envoy reads a file again when it is
replaced, which is why each is named by a file of secrets (SDS) that the bootstrap names.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshloom.identity.authority import issue

Json = dict[str, Any]

_TLS = "envoy.extensions.transport_sockets.tls.v3"
_HTTP = "envoy.extensions.filters.http"
_ROOT, _TOKEN, _CERTIFICATE = "root", "token", "certificate"


@dataclass(frozen=True, slots=True)
class Token:
    """A file that holds a token."""

    path: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with those that lead to its root, and its key: files in PEM."""

    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Proof:
    """`folder` is where the files of secrets lie, `root` the file of the root certificates in PEM that the control
    plane is known by, `own` what the proxy shows of itself. Paths are absolute, as the Envoy sees them.

    An Envoy that follows its files takes four inotify instances, of which Linux gives a user 128; one that does not
    reads root and token once: for whoever lives shorter than these.
    """

    folder: str
    root: str
    own: Token | Certificate
    follows: bool = True

    def transport_socket(self) -> Json:
        """Return the part of a cluster that makes it speak TLS."""
        name = {"san_type": "DNS", "matcher": {"exact": issue.CONTROL_PLANE}}
        context: Json = {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [name]},
                "validation_context_sds_secret_config": self._secret(_ROOT),
            },
        }
        if isinstance(self.own, Certificate):
            context["tls_certificate_sds_secret_configs"] = [self._secret(_CERTIFICATE)]
        upstream = {"sni": issue.CONTROL_PLANE, "common_tls_context": context}
        return {"transport_socket": _typed("envoy.transport_sockets.tls", f"{_TLS}.UpstreamTlsContext", upstream)}

    def secrets(self) -> list[Json]:
        """Return the secrets that the bootstrap itself holds, by the paths of their files."""
        return [] if self.follows else [{"name": name, **body} for name, body in self._bodies().items()]

    def http_filters(self) -> Json:
        """Return the part of a cluster's HTTP options that adds the token to each request."""
        if isinstance(self.own, Certificate):
            return {}
        generic = "envoy.extensions.http.injected_credentials.generic.v3.Generic"
        credential = {"credential": self._secret(_TOKEN), "header": "authorization"}
        injected = _typed("envoy.http.injected_credentials.generic", generic, credential)
        injector = {"overwrite": True, "credential": injected}
        return {
            "http_filters": [
                _typed(
                    "envoy.filters.http.credential_injector",
                    f"{_HTTP}.credential_injector.v3.CredentialInjector",
                    injector,
                ),
                _typed("envoy.filters.http.upstream_codec", f"{_HTTP}.upstream_codec.v3.UpstreamCodec", {}),
            ]
        }

    def files(self) -> Mapping[str, str]:
        """Return name -> text of the files of secrets, to be written to the folder."""
        return {_file(name): _text(name, body) for name, body in self._bodies().items()} if self.follows else {}

    def _bodies(self) -> Mapping[str, Json]:
        root = {"validation_context": {"trusted_ca": {"filename": self.root}, **self._watched(self.root)}}
        match self.own:
            case Token(path):
                return {_ROOT: root, _TOKEN: {"generic_secret": {"secret": {"filename": path}}}}
            case Certificate(path, key):
                pair = {
                    "certificate_chain": {"filename": path},
                    "private_key": {"filename": key},
                    **self._watched(path),
                }
                return {_ROOT: root, _CERTIFICATE: {"tls_certificate": pair}}

    def _watched(self, path: str) -> Json:
        return {"watched_directory": {"path": os.path.dirname(path)}} if self.follows else {}

    def _secret(self, name: str) -> Json:
        if not self.follows:
            return {"name": name}
        source = {"path": os.path.join(self.folder, _file(name)), "watched_directory": {"path": self.folder}}
        return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def _file(name: str) -> str:
    return f"sds-{name}.json"


def _text(name: str, body: Json) -> str:
    secret = {"@type": f"type.googleapis.com/{_TLS}.Secret", "name": name, **body}
    return json.dumps({"resources": [secret]}, indent=2) + "\n"


def _typed(name: str, message: str, fields: Json) -> Json:
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{message}", **fields}}
