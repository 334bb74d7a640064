"""What whoever runs the mesh has chosen for all proxies in pods.

Law: values; where they come from is not known here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """`image` is that of the proxies, `ads` where they find the control plane, as `NAME:PORT`.

    `is_native`: they are containers that start before all others and end after them, which takes Kubernetes 1.29.
    `is_rolled`: pods whose proxy has another image are made anew, one after the other.
    What is exempt is not captured: networks and ports that applications dial beside the mesh.
    """

    image: str
    ads: str
    is_native: bool = True
    pull_policy: str = ""
    mds_endpoint: str = ""
    exempt_networks: tuple[str, ...] = ()
    exempt_ports: tuple[int, ...] = ()
    is_rolled: bool = True
