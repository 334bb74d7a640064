"""What runs in the container of a proxy: it makes what Envoy starts with, starts it, answers for it, and ends it."""
