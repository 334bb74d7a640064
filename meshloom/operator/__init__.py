"""What proxies have, told to whoever runs the control plane: an HTTP API on a unix socket, and its client."""
