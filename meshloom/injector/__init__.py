"""Proxies put into pods: whether, with what, and what is left as it was; the same for the webhook and for files."""
