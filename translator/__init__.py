"""The compiler: a graph in, encoded Envoy resources out. Pure."""
