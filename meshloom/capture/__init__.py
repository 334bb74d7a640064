"""Transparent capture: the rules of the kernel by which the connections of a workload go through its proxy."""
