"""Pods that have to be made anew for their proxies: which, why, and in which order; pure."""
