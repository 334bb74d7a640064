"""Whether a change of one of the nine kinds is let in: the webhook that the API server asks."""
