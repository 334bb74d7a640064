"""The finalizers of the original, which meshloom uses too.

Law: pure; those of others stay where they are.
"""

from collections.abc import Iterable

from mesh import resources

COMMON = "finalizers.oci.oracle.com/oci-resources"


def own(kind: type[resources.Resource]) -> frozenset[str]:
    """Return the finalizers that an object of this kind may have of ours."""
    return frozenset({COMMON, f"finalizers.{resources.GROUP}/{kind.__name__.lower()}-resources"})


def without_ours(kind: type[resources.Resource], present: Iterable[str]) -> list[str] | None:
    """Return the finalizers that stay, None if none goes."""
    listed = list(present)
    left = [each for each in listed if each not in own(kind)]
    return left if len(left) < len(listed) else None
