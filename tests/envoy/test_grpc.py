"""gRPC end to end, by grpcio on both sides: clients dial their sidecars in clear, or know them as their HTTP proxy."""

import concurrent.futures
import queue
import time

import grpc
import pytest


class Echo(grpc.GenericRpcHandler):
    """Answers calls of all four kinds with what it is told."""

    def service(self, call):
        def echo(message, context):
            context.set_trailing_metadata((("served-by", "echo"),))
            if message == b"refuse":
                context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
            return message

        def count(message, context):
            yield from (message + str(number).encode() for number in range(3))

        def join(messages, context):
            return b"".join(messages)

        def late(message, context):
            time.sleep(1)
            return message

        kinds = {
            "Count": grpc.unary_stream_rpc_method_handler(count),
            "Join": grpc.stream_unary_rpc_method_handler(join),
            "Talk": grpc.stream_stream_rpc_method_handler(lambda messages, context: messages),
            "Left": grpc.unary_unary_rpc_method_handler(lambda _, context: str(context.time_remaining()).encode()),
            "Late": grpc.unary_unary_rpc_method_handler(late),
        }
        return kinds.get(call.method.rpartition("/")[2], grpc.unary_unary_rpc_method_handler(echo))


@pytest.fixture(scope="module")
def servers(world):
    """Run a gRPC server behind each sidecar that speaks HTTP/2."""
    running = []
    for pair in world.cast().pairs:
        if pair.deployment.name in ("greeter-v1", "two-v1"):
            server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
            server.add_insecure_port(f"{pair.application}:{pair.ports[0]}")
            server.start()
            running.append(server)
    yield
    for server in running:
        server.stop(0).wait()


@pytest.fixture(params=["greeter", "greeter:50051", "two:8082", "tunnel"])
def channel(request, world, servers):
    """Dial the caller's sidecar in clear HTTP/2, with the authority of the service; or have it open a tunnel."""
    sidecar = f"{world.block.address(2)}:15000"
    if request.param == "tunnel":
        target, options = "greeter:50051", [("grpc.http_proxy", f"http://{sidecar}")]
    else:
        target, options = sidecar, [("grpc.default_authority", request.param), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(target, options) as channel:
        yield channel


def test_a_call_is_answered(channel):
    answer, call = channel.unary_unary("/greet.Greeter/Hello").with_call(b"hello", timeout=10)
    assert answer == b"hello"
    assert ("served-by", "echo") in [(item.key, item.value) for item in call.trailing_metadata()]


def test_a_message_of_several_megabytes_is_answered(channel):
    message = bytes(3_000_000)
    assert channel.unary_unary("/greet.Greeter/Hello")(message, timeout=20) == message


def test_a_stream_is_answered(channel):
    assert [*channel.unary_stream("/greet.Greeter/Count")(b"n", timeout=10)] == [b"n0", b"n1", b"n2"]


def test_a_stream_is_taken(channel):
    messages = (str(number).encode() for number in range(5))
    assert channel.stream_unary("/greet.Greeter/Join")(messages, timeout=10) == b"01234"


def test_a_conversation_goes_to_and_fro(channel):
    """Each message is sent when the answer to the one before is there."""
    messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    messages.put(b"0")
    heard = []
    for answer in channel.stream_stream("/greet.Greeter/Talk")(iter(messages.get, None), timeout=10):
        heard.append(answer)
        messages.put(str(len(heard)).encode() if len(heard) < 4 else None)
    assert heard == [b"0", b"1", b"2", b"3"]


def test_the_status_of_a_failed_call_arrives(channel):
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/greet.Greeter/Hello")(b"refuse", timeout=10)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_deadline_of_a_call_ends_it_and_nothing_else(channel):
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/greet.Greeter/Late")(b"late", timeout=0.3)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert channel.unary_unary("/greet.Greeter/Late")(b"late", timeout=10) == b"late"


def test_the_deadline_of_a_call_is_known_to_the_server(channel):
    # a deadline is rounded up where it is written into `grpc-timeout`, 10 s to 10.1 s
    assert 0 < float(channel.unary_unary("/greet.Greeter/Left")(b"?", timeout=10)) <= 10.1


def test_a_timeout_of_a_route_ends_a_call(world, servers):
    options = [("grpc.default_authority", "two:8082"), ("grpc.enable_http_proxy", 0)]
    address = f"{world.block.address(2)}:15000"
    with grpc.insecure_channel(address, options) as channel, pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/hurried/Late")(b"late", timeout=10)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.UNAVAILABLE, "upstream request timeout")


def test_a_denied_call_says_why(world):
    options = [("grpc.default_authority", "greeter"), ("grpc.enable_http_proxy", 0)]
    address = f"{world.block.address(3)}:15000"
    with grpc.insecure_channel(address, options) as channel, pytest.raises(grpc.RpcError) as denied:
        channel.unary_unary("/greet.Greeter/Hello")(b"hello", timeout=10)
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert denied.value.details().strip() == "no access policy lets t/stranger reach greeter"
