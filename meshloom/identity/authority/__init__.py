"""The certificate authorities: one of each mesh, and one of the control plane itself."""
