"""A pod as it was written, read as far as injection looks at it.

Law: total: what has not the form that it should have is as if it were not there, but for the containers, without which
nothing is a pod.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.problems import Ref
from meshloom.injector import contract

Json = dict[str, Any]
Object = Mapping[str, Any]


def mapping(value: object) -> Object:
    """Return a value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> list[Object]:
    """Return the objects of a list, none if it is none."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def texts(value: object) -> Mapping[str, str]:
    """Return the pairs of an object that are text."""
    return {key: each for key, each in mapping(value).items() if isinstance(each, str)}


@dataclass(frozen=True, slots=True)
class Pod:
    """`namespace` is where it is to be, which a pod that is being created need not say itself."""

    document: Object
    namespace: str

    @property
    def metadata(self) -> Object:
        """What it says of itself."""
        return mapping(self.document.get("metadata"))

    @property
    def spec(self) -> Object:
        """What it is to be."""
        return mapping(self.document.get("spec"))

    @property
    def ref(self) -> Ref:
        """Its address; one that gets its name later is called by the beginning of that."""
        name = self.metadata.get("name") or self.metadata.get("generateName")
        return Ref("Pod", self.namespace, name if isinstance(name, str) and name else "(unnamed)")

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return texts(self.metadata.get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return texts(self.metadata.get("annotations"))

    @property
    def containers(self) -> list[Object]:
        """Its containers, as they are written."""
        return objects(self.spec.get("containers"))

    @property
    def init_containers(self) -> list[Object]:
        """What runs before them, as it is written."""
        return objects(self.spec.get("initContainers"))

    @property
    def is_readable(self) -> bool:
        """Whether it has the form of a pod."""
        return all(isinstance(self.document.get(part, {}), Mapping) for part in ("metadata", "spec")) and all(
            is_list_of_named(self.spec.get(part)) for part in ("containers", "initContainers", "volumes")
        )

    @property
    def is_injected(self) -> bool:
        """Whether it has a proxy."""
        return any(one.get("name") == contract.PROXY for _, one in self.all_containers())

    @property
    def grace_seconds(self) -> int:
        """How long it is given to end."""
        written = self.spec.get("terminationGracePeriodSeconds")
        return written if isinstance(written, int) and written >= 0 else contract.GRACE_SECONDS

    def all_containers(self) -> Iterator[tuple[str, Object]]:
        """Yield each container with the field that it stands in, as `spec.initContainers[0]`."""
        for part, several in (("initContainers", self.init_containers), ("containers", self.containers)):
            for number, one in enumerate(several):
                yield f"spec.{part}[{number}]", one


def is_list_of_named(value: object) -> bool:
    """Return whether a value is a list of objects with names, or not there."""
    if value is None:
        return True
    return isinstance(value, list) and all(isinstance(mapping(each).get("name"), str) for each in value)
