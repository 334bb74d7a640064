"""Gateways that run in a cluster: from an IngressGatewayDeployment to the Kubernetes objects that it asks for.

Law: `manifests`, `plan` and `ownership` are pure; `operator` applies what they say, and decides nothing.
"""
