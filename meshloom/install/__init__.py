"""What meshloom is in a Kubernetes cluster: its objects, for `meshloom install` and for the Helm chart alike.

Law: the objects are a pure function of the values; the chart is made of the same objects, by `make chart`.
"""
