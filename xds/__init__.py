"""The xDS transport protocol: names, versions, bytes; it knows neither meshes nor Envoy's configuration messages."""
