"""The nine kinds as a Kubernetes API server is told of them: CustomResourceDefinitions, made of the models.

Law: what the models refuse the schema refuses; `deploy/crds` is written by `make crds` and by nobody else.
"""
