"""Versions follow content, nothing else."""

from translator import resources


def test_equal_bytes_have_equal_versions_and_others_have_others():
    one, same, other = (resources.encoded(resources.CLUSTER, "a", body) for body in (b"x", b"x", b"y"))
    assert one == same
    assert one.version != other.version


def test_a_version_is_sixteen_hexadecimal_digits_of_a_known_digest():
    """Replicas of different releases agree, so the digest may not change by accident."""
    assert resources.content_version([b"ab"]) == "0e52b5f187de1088"


def test_how_content_is_divided_does_not_count():
    assert resources.content_version([b"ab", b"c"]) == resources.content_version([b"a", b"bc"])


def test_a_body_is_an_any():
    found = resources.encoded("type.googleapis.com/x", "a", b"body")
    assert found.body == b"\n\x15type.googleapis.com/x\x12\x04body"
