"""HTTP/2 end to end: a gRPC server and client that dial their sidecars in clear."""

import concurrent.futures

import grpc
import pytest


class Echo(grpc.GenericRpcHandler):
    """Answers every call with its own message, and with the host it was called by."""

    def service(self, call):
        def echo(message, context):
            context.set_trailing_metadata((("served-by", "echo"),))
            if message == b"refuse":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
            return message

        def count(message, context):
            yield from (message + str(number).encode() for number in range(3))

        if call.method.endswith("/Count"):
            return grpc.unary_stream_rpc_method_handler(count)
        return grpc.unary_unary_rpc_method_handler(echo)


@pytest.fixture(scope="module")
def servers(world):
    """Run a gRPC server behind each sidecar that speaks HTTP/2."""
    running = []
    for pair in world.cast().pairs:
        if pair.deployment.name in ("greeter-v1", "two-v1"):
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Echo()])
            server.add_insecure_port(f"{pair.application}:{pair.ports[0]}")
            server.start()
            running.append(server)
    yield
    for server in running:
        server.stop(0).wait()


@pytest.fixture(params=["greeter", "greeter:50051", "two:8082"])
def channel(request, world, servers):
    """Dial the caller's sidecar in clear HTTP/2, with the authority of the service."""
    options = [("grpc.default_authority", request.param), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"{world.block.address(2)}:15000", options) as channel:
        yield channel


def test_a_call_is_answered(channel):
    answer, call = channel.unary_unary("/greet.Greeter/Hello").with_call(b"hello", timeout=10)
    assert answer == b"hello"
    assert ("served-by", "echo") in [(item.key, item.value) for item in call.trailing_metadata()]


def test_a_stream_is_answered(channel):
    assert [*channel.unary_stream("/greet.Greeter/Count")(b"n", timeout=10)] == [b"n0", b"n1", b"n2"]


def test_the_status_of_a_failed_call_arrives(channel):
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/greet.Greeter/Hello")(b"refuse", timeout=10)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_denied_call_says_why(world):
    options = [("grpc.default_authority", "greeter"), ("grpc.enable_http_proxy", 0)]
    address = f"{world.block.address(3)}:15000"
    with grpc.insecure_channel(address, options) as channel, pytest.raises(grpc.RpcError) as denied:
        channel.unary_unary("/greet.Greeter/Hello")(b"hello", timeout=10)
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert denied.value.details().strip() == "no access policy lets t/stranger reach greeter"
