"""The demo: a real mesh of Envoys and sample applications on loopback addresses of this machine.

Law: nothing outlives the demo, and nothing here is used by the control plane itself.
"""
