"""Real TLS handshakes at a moment of one's choice.

Both sides are OpenSSL, the one that the package cryptography brings, over buffers in memory. Its verification is told
the moment (X509_VERIFY_PARAM_set_time) and does all else as ever; the standard library's ssl knows only today.
"""

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.bindings.openssl.binding import Binding
from cryptography.hazmat.primitives import serialization

_BINDING = Binding()
_LIB, _FFI = _BINDING.lib, _BINDING.ffi
MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Party:
    """What one side presents and whom it trusts, both in PEM, and whom it expects: URIs or DNS names; empty: anybody."""

    chain: bytes
    key: bytes
    roots: bytes
    expects: frozenset[str] = frozenset()


def refusal(client: Party, server: Party, at: float) -> str:
    """Return why a handshake fails at this moment; empty if it succeeds and each side is who the other expects."""
    sides = (_side(client, at, is_server=False), _side(server, at, is_server=True))
    fault = _shaken(*sides)
    if fault:
        return fault
    for own, side in zip((client, server), sides, strict=True):
        found = _names(side)
        if own.expects and not own.expects & found:
            return f"expected {sorted(own.expects)}, met {sorted(found)}"
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side's OpenSSL, and the buffers it reads from and writes to."""

    native: Any
    inward: Any
    outward: Any


def _side(party: Party, at: float, *, is_server: bool) -> _Side:
    context = _FFI.gc(_LIB.SSL_CTX_new(_LIB.TLS_method()), _LIB.SSL_CTX_free)
    leaf, *others = x509.load_pem_x509_certificates(party.chain)
    _done(_LIB.SSL_CTX_use_certificate(context, _native(leaf)))
    for other in others:
        _done(_LIB.SSL_CTX_add_extra_chain_cert(context, _LIB.X509_dup(_native(other))))
    _done(_LIB.SSL_CTX_use_PrivateKey(context, _native_key(party.key)))
    store = _LIB.SSL_CTX_get_cert_store(context)
    for root in x509.load_pem_x509_certificates(party.roots):
        _done(_LIB.X509_STORE_add_cert(store, _native(root)))
    _LIB.X509_VERIFY_PARAM_set_time(_LIB.SSL_CTX_get0_param(context), int(at))
    both = _LIB.SSL_VERIFY_PEER | _LIB.SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    _LIB.SSL_CTX_set_verify(context, both, _FFI.NULL)
    side = _FFI.gc(_LIB.SSL_new(context), _LIB.SSL_free)
    inward, outward = _LIB.BIO_new(_LIB.BIO_s_mem()), _LIB.BIO_new(_LIB.BIO_s_mem())
    _LIB.SSL_set_bio(side, inward, outward)  # which frees them with itself
    (_LIB.SSL_set_accept_state if is_server else _LIB.SSL_set_connect_state)(side)
    return _Side(side, inward, outward)


def _shaken(client: _Side, server: _Side) -> str:
    """Let both sides talk until both are done, or one refuses."""
    done = dict.fromkeys((client, server), False)
    for _ in range(MOST_STEPS):
        for one, other in ((client, server), (server, client)):
            _LIB.ERR_clear_error()
            result = _LIB.SSL_do_handshake(one.native)
            if result != 1 and _LIB.SSL_get_error(one.native, result) != _LIB.SSL_ERROR_WANT_READ:
                return _why(one)
            done[one] = result == 1
            _carry(one, other)
        if all(done.values()):
            return ""
    raise AssertionError("the handshake does not end")


def _carry(source: _Side, target: _Side) -> None:
    """Hand what one side wrote to the other."""
    buffer = _FFI.new("char[]", 65536)
    while (count := _LIB.BIO_read(source.outward, buffer, 65536)) > 0:
        assert _LIB.BIO_write(target.inward, buffer, count) == count


def _why(side: _Side) -> str:
    result = _LIB.SSL_get_verify_result(side.native)
    return _FFI.string(_LIB.X509_verify_cert_error_string(result)).decode() if result else "refused by the other side"


def _names(side: _Side) -> frozenset[str]:
    native = _LIB.SSL_get_peer_certificate(side.native)
    assert native != _FFI.NULL
    written = _FFI.gc(_LIB.BIO_new(_LIB.BIO_s_mem()), _LIB.BIO_free)
    _done(_LIB.i2d_X509_bio(written, native))
    _LIB.X509_free(native)
    buffer = _FFI.new("char[]", 65536)
    count = _LIB.BIO_read(written, buffer, 65536)
    certificate = x509.load_der_x509_certificate(_FFI.buffer(buffer, count)[:])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    sorts = (x509.UniformResourceIdentifier, x509.DNSName)
    return frozenset(name for sort in sorts for name in names.get_values_for_type(sort))


def _native(certificate: x509.Certificate):
    der = certificate.public_bytes(serialization.Encoding.DER)
    return _FFI.gc(_LIB.d2i_X509_bio(_memory(der), _FFI.NULL), _LIB.X509_free)


def _native_key(pem: bytes):
    return _FFI.gc(_LIB.PEM_read_bio_PrivateKey(_memory(pem), _FFI.NULL, _FFI.NULL, _FFI.NULL), _LIB.EVP_PKEY_free)


def _memory(content: bytes):
    held = _FFI.gc(_LIB.BIO_new(_LIB.BIO_s_mem()), _LIB.BIO_free)
    assert _LIB.BIO_write(held, content, len(content)) == len(content)
    return held


def _done(result: int) -> None:
    assert result == 1, "OpenSSL refuses it"
