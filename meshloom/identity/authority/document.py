"""The state of an authority as it is stored: one JSON document, with certificates and keys in PEM.

Law: `read(written(state))` is the same state; what is not exactly of this form is refused and never mended by guessing.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Literal

import pydantic
from cryptography import x509

from meshloom.identity.authority import issue, keys, rotation
from meshloom.identity.authority.rotation import Outgoing, Signer, State

FORM = 1


class DocumentError(ValueError):
    """A document that cannot be used; its text says why and holds nothing of it."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


Pems = Annotated[list[str], pydantic.Field(min_length=1, max_length=100)]


class _BuiltIn(_Part):
    origin: Literal["built-in"] = "built-in"
    certificate: str
    key: pydantic.SecretStr
    chain: Annotated[list[str], pydantic.Field(max_length=1)] = []


class _Given(_Part):
    origin: Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]
    roots: Pems


class _Outgoing(_Part):
    root: str
    until: float


class _Document(_Part):
    form: Literal[1]
    trust_domain: str
    since: float
    longest: float
    asked: bool
    signer: _BuiltIn | _Given
    incoming: _BuiltIn | _Given | None
    outgoing: list[_Outgoing]


def written(state: State, domain: str) -> bytes:
    """Return the document of a state."""
    document = {
        "form": FORM,
        "trust_domain": domain,
        "since": state.since,
        "longest": state.longest,
        "asked": state.asked,
        "signer": _signer(state.signer),
        "incoming": _signer(state.incoming) if state.incoming else None,
        "outgoing": [{"root": _pem(each.root), "until": each.until} for each in state.outgoing],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def read(content: bytes, domain: str) -> State:
    """Return the state of a document of this trust domain. Raises DocumentError."""
    try:
        found = _Document.model_validate_json(content)
    except pydantic.ValidationError as fault:
        raise DocumentError(_first(fault)) from None
    if found.trust_domain != domain:
        raise DocumentError(f"is of the trust domain {found.trust_domain!r}, not {domain!r}")
    incoming = _read(found.incoming) if found.incoming else None
    outgoing = tuple(Outgoing(_certificate(each.root), each.until) for each in found.outgoing)
    return State(_read(found.signer), found.since, found.longest, incoming, outgoing, found.asked)


def _signer(signer: Signer) -> dict[str, object]:
    if signer.origin != rotation.BUILT_IN or signer.issuer is None:
        return {"origin": signer.origin, "roots": _pems(signer.roots)}
    issuer = signer.issuer
    key = issuer.key.pem.decode()
    return {"origin": signer.origin, "certificate": _pem(issuer.certificate), "key": key, "chain": _pems(issuer.chain)}


def _pem(certificate: x509.Certificate) -> str:
    return issue.pem(certificate).decode()


def _pems(certificates: Iterable[x509.Certificate]) -> list[str]:
    return [_pem(each) for each in certificates]


def _read(part: _BuiltIn | _Given) -> Signer:
    if isinstance(part, _Given):
        return Signer(part.origin, tuple(_certificate(each) for each in part.roots), None)
    certificate = _certificate(part.certificate)
    try:
        key = keys.read(part.key.get_secret_value().encode())
    except keys.KeyFaultError as fault:
        raise DocumentError(str(fault)) from None
    if not key.is_of(certificate):
        raise DocumentError("holds a certificate and a key that do not belong together")
    chain = tuple(_certificate(each) for each in part.chain)
    return Signer(part.origin, (certificate,), issue.Issuer(certificate, key, chain))


def _certificate(text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise DocumentError("holds a certificate that cannot be read") from None


def _first(fault: pydantic.ValidationError) -> str:
    found = fault.errors(include_url=False, include_input=False, include_context=False)[0]
    if found["type"] == "json_invalid":  # whose message could quote what is there
        return "is not whole"
    return f"is not of the form meshloom writes, at `{'.'.join(map(str, found['loc']))}`"
