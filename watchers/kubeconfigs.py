"""Where it stands how an API server is found.

Law: only looked for here, and never read.
"""

import os

from kubernetes.aio.config import incluster_config


def absent(named: str) -> str:
    """Return where a kubeconfig should be, empty if one is there; several paths may be named, as kubectl has it."""
    named = named or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = (os.path.expanduser(path) for path in named.split(os.pathsep) if path)
    return "" if any(map(os.path.exists, paths)) else named


def is_in_pod() -> bool:
    """Return whether this is a pod, which finds its API server by its environment."""
    return incluster_config.SERVICE_HOST_ENV_NAME in os.environ
