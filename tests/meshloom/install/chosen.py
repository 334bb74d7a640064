"""Values that people choose, which the chart and `meshloom install` must make the same of."""

from typing import Any

CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "another image": {
        "image": "registry.example.com/meshloom@sha256:0123",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
    },
    "one replica": {"replicas": 1, "resources": {}},
    "no limits": {"resources": {"limits": None}},
    "more resources": {"resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "2"}}},
    "some nodes": {
        "nodeSelector": {"kubernetes.io/os": "linux", "pool": "true"},
        "tolerations": [{"key": "only", "operator": "Exists", "effect": "NoSchedule"}],
    },
    "no network policy": {"networkPolicy": {"enabled": False}},
    "another port": {"networkPolicy": {"apiServerPorts": [16443]}},
    "roles of their own": {"aggregateRoles": False},
    "secrets of two namespaces": {"secretNamespaces": ["shop", "zoo"]},
    "gateways of two namespaces": {"gatewayNamespaces": ["shop", "zoo"]},
    "settings": {
        "settings": {
            "resolving": {"cross_namespace_references": "same"},
            "observing": {"settle_seconds": 0.25, "at_most_seconds": 2.0},
            "certificates": {"authorities": {"ocid1.<ca>&'\"ä": "shop/ca"}},
            "egress": {"internal_networks": ["10.0.0.0/8", "fd00::/8"]},
            "traffic": {"retries": False},
        }
    },
}
