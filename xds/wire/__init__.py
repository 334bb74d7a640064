"""Generated from proto/discovery.proto: the messages of the ADS streams, with every embedded `Any` as bytes.

Law: never edited by hand. To regenerate, from the root of the repository:

    python -m grpc_tools.protoc -Ixds/wire=proto --python_out=. --pyi_out=. xds/wire/discovery.proto

Generate with grpcio-tools 1.72, the first whose code carries protobuf 6.30, the oldest runtime we support: generated
code refuses to run under an older protobuf than its own. A test compares the descriptor with a fresh one.
"""
