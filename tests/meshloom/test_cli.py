"""The command line: what people type, what they read, and the exit codes."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

from meshloom import cli, errors
from tests.meshloom import shop

COMMANDS = ("serve", "proxies", "config", "compile", "check", "bootstrap", "demo")


def run(*arguments: str, stdin: str | None = None):
    """Return the result of a command line, with standard error apart."""
    return CliRunner().invoke(cli.app, arguments, input=stdin, env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


def refused(*arguments: str) -> str:
    """Return the one line by which a command line is refused."""
    result = run(*arguments)
    assert isinstance(result.exception, errors.UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    return str(shop.laid_out(tmp_path / "mesh"))


# ---------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"meshloom {command}" in result.output


def test_the_help_lists_the_commands_and_says_where_to_start():
    output = run("--help").output
    assert all(command in output for command in COMMANDS)
    assert "Start here" in output


def test_the_help_imports_nothing_heavy():
    code = "import sys; from meshloom import cli; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"grpc", "envoy_data_plane", "pydantic", "structlog", "yaml"} & {*ran.stdout.split()}


@pytest.mark.parametrize("arguments", [("version",), ("--version",)])
def test_the_version_is_printed(arguments):
    assert run(*arguments).output == "meshloom 0.1.0\n"


# ---------------------------------------------------------------------------- check


def test_check_finds_nothing_in_a_sound_mesh(folder):
    result = run("check", "-f", folder)
    assert (result.exit_code, result.output) == (0, "no problems found in 11 resources\n")


def test_check_shows_an_error_as_a_table_and_exits_1(folder):
    shop.write(
        pathlib.Path(folder), "more.yaml", "VirtualService: shop/zoo\nmesh: {ref: {name: nowhere}}\nhosts: [zoo]"
    )
    result = run("check", "-f", folder)
    assert result.exit_code == 1
    row = next(line for line in result.output.splitlines() if "shop/zoo" in line)
    assert [cell.strip() for cell in row.split("  ") if cell.strip()][:4] == [
        "error", "VirtualService shop/zoo", "spec.mesh", "Mesh shop/nowhere does not exist"
    ]  # fmt: skip
    assert "1 error and 0 warnings in 12 resources" in result.output


def test_the_table_cuts_nothing_off(folder):
    name, nowhere = "a-service-with-a-rather-long-name-of-its-own", "a-mesh-that-is-not-there-and-has-a-long-name-too"
    text = f"VirtualService: shop/{name}\nmesh: {{ref: {{name: {nowhere}}}}}\nhosts: [zoo]"
    shop.write(pathlib.Path(folder), "a-file-with-a-name-that-is-long-enough-to-be-folded.yaml", text)
    output = run("check", "-f", folder).output
    assert "1 error" in output
    assert "…" not in output  # long words go on in the next line


def test_check_exits_0_with_warnings_only(folder):
    shop.write(pathlib.Path(folder), "weights.yaml", shop.weights(50, 10))
    result = run("check", "-f", folder, "-o", "json")
    assert result.exit_code == 0
    assert [problem["severity"] for problem in json.loads(result.output)["problems"]] == ["warning"]


def test_check_says_in_json_where_each_problem_is(folder):
    (pathlib.Path(folder) / "broken.yaml").write_text("kind: [\n")
    shop.write(
        pathlib.Path(folder), "more.yaml", "VirtualService: shop/zoo\nmesh: {ref: {name: nowhere}}\nhosts: [zoo]"
    )
    found = json.loads(run("check", "-f", folder, "-o", "json").output)["problems"]
    assert [problem["place"].removeprefix(f"{folder}/") for problem in found] == ["broken.yaml:2", "more.yaml:1"]
    assert all({*problem} == {"severity", "resource", "field", "fault", "remedy", "place"} for problem in found)


def test_check_says_which_references_the_settings_refuse(folder, tmp_path):
    far = "VirtualService: zoo/far\nmesh: {ref: {name: main, namespace: shop}}\nhosts: [far]"
    shop.write(pathlib.Path(folder), "far.yaml", far)
    assert run("check", "-f", folder).output == "no problems found in 12 resources\n"
    (tmp_path / "settings.yaml").write_text("resolving: {cross_namespace_references: same}")
    result = run("check", "-f", folder, "-o", "json", "--settings", str(tmp_path / "settings.yaml"))
    (problem,) = json.loads(result.output)["problems"]
    assert (result.exit_code, problem["field"], problem["severity"]) == (1, "spec.mesh", "error")
    assert "cross_namespace_references is `same`" in problem["fault"]


def test_check_reads_standard_input():
    result = run("check", "-f", "-", stdin="kind: Mesh\n")
    assert result.exit_code == 1
    assert "stdin:1" in result.output


def test_check_of_a_path_to_nowhere_is_refused():
    assert refused("check", "-f", "nowhere.yaml") == (
        "nowhere.yaml does not exist; name a file or folder of YAML, or - for standard input"
    )


# ---------------------------------------------------------------------------- compile


def test_compile_prints_every_proxy_in_order(folder):
    result = run("compile", "-f", folder)
    assert result.exit_code == 0
    assert [one["proxy"] for one in yaml.safe_load(result.stdout)] == [
        "gateway/shop/door/0.0.0.0",
        "sidecar/shop/front-v1/127.0.9.1",
        "sidecar/shop/pets-v1/127.0.9.2",
        "sidecar/shop/pets-v2/127.0.9.3",
    ]


def test_compile_prints_one_proxy_with_its_decoded_resources(folder):
    made = json.loads(run("compile", "-f", folder, "--proxy", "shop/front-v1", "-o", "json").stdout)
    assert [one["proxy"] for one in made] == ["sidecar/shop/front-v1/127.0.9.1"]
    assert [one["resource"]["name"] for one in made[0]["clusters"]] == [
        "inbound/9080", "outbound/connect", "outbound/shop/pets-v1/9080", "outbound/shop/pets-v2/9080"
    ]  # fmt: skip
    assert all(len(one["version"]) == 16 for one in made[0]["clusters"])


def test_compile_prints_what_can_be_compiled_and_exits_1_with_errors(folder):
    shop.write(
        pathlib.Path(folder), "more.yaml", "VirtualService: shop/zoo\nmesh: {ref: {name: nowhere}}\nhosts: [zoo]"
    )
    result = run("compile", "-f", folder, "--proxy", "shop/front-v1")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: VirtualService shop/zoo spec.mesh: Mesh shop/nowhere does not exist; ")
    assert yaml.safe_load(result.stdout)[0]["proxy"] == "sidecar/shop/front-v1/127.0.9.1"


def test_compile_goes_on_without_a_sidecar_that_cannot_be(folder):
    path = next(path for path in sorted(pathlib.Path(folder).iterdir()) if "127.0.9.2" in path.read_text())
    path.write_text(path.read_text().replace("127.0.9.2", "127.0.0.1"))
    result = run("compile", "-f", folder)
    assert result.exit_code == 1
    words = (
        "VirtualDeployment shop/pets-v1 spec.serviceDiscovery.hostname: sidecar and application would both listen on"
    )
    assert f"error: {words} 127.0.0.1, at the same port; " in result.stderr
    assert [one["proxy"].split("/")[2] for one in yaml.safe_load(result.stdout)] == ["door", "front-v1", "pets-v2"]
    assert refused("compile", "-f", folder, "--proxy", "shop/pets-v1").startswith(words)


def test_compile_of_an_unknown_proxy_is_refused(folder):
    assert refused("compile", "-f", folder, "--proxy", "shop/none") == (
        "no VirtualDeployment or IngressGateway shop/none can be compiled from this; `meshloom check` says why"
    )


@pytest.mark.slow
def test_compile_prints_the_same_bytes_at_any_hash_seed_and_in_any_order_of_files(folder):
    files = sorted(pathlib.Path(folder).iterdir())
    given = (files, files[::-1])
    ran = [
        subprocess.run(
            [sys.executable, "-m", "meshloom", "compile", *(f"--file={path}" for path in paths)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        )
        for seed, paths in enumerate(given, 1)
    ]
    assert ran[0].stdout == ran[1].stdout
    assert ran[0].stdout


def test_compile_prints_what_grpc_programs_without_a_proxy_would_get(folder):
    made = yaml.safe_load(run("compile", "-f", folder, "--grpc").stdout)
    assert [one["proxy"] for one in made] == [
        "proxyless/shop/front-v1",
        "proxyless/shop/pets-v1",
        "proxyless/shop/pets-v2",
    ]
    front = made[0]
    assert [one["resource"]["name"] for one in front["listeners"]] == ["pets", "pets:9080"]
    assert [one["resource"]["clusterName"] for one in front["endpoints"]] == [
        "outbound/shop/pets-v1/9080", "outbound/shop/pets-v2/9080"
    ]  # fmt: skip


# ---------------------------------------------------------------------------- bootstrap

SIDECAR = ("bootstrap", "--proxy", "shop/pets-v1", "--ads", "unix:/run/ads.sock", "--workload-address", "127.0.1.1")
GATEWAY = (
    "bootstrap",
    "--gateway",
    "--proxy",
    "shop/door",
    "--ads",
    "127.0.0.1:18000",
    "--workload-address",
    "10.0.0.7",
)


def test_bootstrap_prints_yaml_that_says_how_to_start_it():
    output = run(*SIDECAR, "--application-address", "127.0.0.1").output
    assert output.startswith(
        "# start it with: envoy -c THIS-FILE.yaml --drain-time-s 45 --file-flush-interval-msec 1000 --disable-hot-restart\n"
    )
    assert yaml.safe_load(output)["node"]["id"] == "sidecar/shop/pets-v1/127.0.1.1"


def test_bootstrap_of_a_gateway_in_json_by_state_of_the_world():
    made = json.loads(run(*GATEWAY, "--sotw", "-o", "json").output)
    assert made["node"]["id"] == "gateway/shop/door/10.0.0.7"
    assert made["dynamic_resources"]["ads_config"]["api_type"] == "GRPC"


def test_bootstrap_maps_ports():
    made = yaml.safe_load(run(*SIDECAR, "--application-address", "127.0.1.1", "--application-port", "9080=8080").output)
    assert made["node"]["metadata"]["meshloom"]["application_ports"] == {"9080": 8080}


CAPTURED = ("bootstrap", "--capture", "transparent", "--proxy", "shop/pets-v1", "--ads", "unix:/run/ads.sock")


def test_a_bootstrap_in_transparent_capture_has_no_address_of_its_own():
    made = yaml.safe_load(run(*CAPTURED, "--passthrough-inbound-port", "9100").output)
    told = {"proxy": "captured", "of": "shop/pets-v1", "passthrough_ports": [9100], "ipv4_only": False}
    assert made["node"]["metadata"]["meshloom"] == told
    shown = [listener["address"]["socket_address"] for listener in made["static_resources"]["listeners"]]
    assert shown == [{"address": "::", "port_value": port, "ipv4_compat": True} for port in (15006, 15010)]
    assert made["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_a_bootstrap_without_ipv6_binds_none():
    made = yaml.safe_load(run(*CAPTURED, "--ipv4-only").output)
    shown = [listener["address"]["socket_address"] for listener in made["static_resources"]["listeners"]]
    assert shown == [{"address": "0.0.0.0", "port_value": port} for port in (15006, 15010)]


GRPC = ("bootstrap", "--grpc", "--proxy", "shop/web", "--ads", "unix:/run/ads.sock")


def test_a_bootstrap_says_where_tcp_is_dialled():
    ways = ("--outbound-tcp", "shop/db=127.0.0.1:5432", "--outbound-tcp", "shop/db:5433=[::1]:5433")
    made = yaml.safe_load(run(*SIDECAR, "--application-address", "127.0.0.1", *ways).output)
    assert made["node"]["metadata"]["meshloom"]["outbound_tcp"] == {
        "127.0.0.1:5432": "shop/db",
        "[::1]:5433": "shop/db:5433",
    }


def test_bootstrap_of_a_grpc_program_is_json_whatever_is_asked_for():
    made = [json.loads(run(*GRPC, *form).output) for form in ((), ("-o", "yaml"), ("-o", "json"))]
    assert made[0] == made[1] == made[2]
    assert made[0]["node"]["id"] == "proxyless/shop/web"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *(
            (
                (*GRPC, option, *value),
                f"{option} is for an Envoy; a gRPC program without one has no use for it, leave it",
            )
            for option, *value in (
                ("--workload-address", "127.0.0.1"),
                ("--application-address", "127.0.0.1"),
                ("--application-port", "1=2"),
                ("--gateway",),
                ("--admin", "127.0.0.1:1"),
                ("--sotw",),
            )
        ),
        ((*GRPC, "--capture", "transparent"), "--capture transparent is for an Envoy; a gRPC program without one"),
        ((*GATEWAY, "--capture", "transparent"), "--capture transparent is for sidecars; leave it out"),
        ((*GATEWAY, "--ipv4-only"), "--ipv4-only is for sidecars; leave it out"),
        (
            (*SIDECAR, "--ipv4-only"),
            "--ipv4-only is for transparent capture; leave it out, or say --capture transparent",
        ),
        (
            (*CAPTURED, "--workload-address", "127.0.0.1"),
            "--workload-address is for explicit capture; leave it out, the kernel tells what was dialled",
        ),
        ((*CAPTURED, "--passthrough-inbound-port", "0"), "--passthrough-inbound-port: 0 is not a port"),
        (
            (*CAPTURED, "--passthrough-inbound-port", "15006"),
            "--passthrough-inbound-port: port 15006 is the proxy's own, and nothing can pass it; leave it out",
        ),
        ((*CAPTURED, "--proxy", "pets"), "--proxy: 'pets' is not of the form namespace/name, as shop/pets-v1"),
        ((*GRPC, "--proxy", "web"), "--proxy: 'web' is not of the form namespace/name, as shop/pets-v1"),
        ((*GRPC, "--ads", "10.0.0.1:18000"), "--ads: 10.0.0.1:18000 can be reached from other machines"),
        (
            (*SIDECAR[:-2], "--application-address", "127.0.0.1"),
            "--workload-address is missing; name the address that the proxy binds, as 127.0.1.1",
        ),
        (GATEWAY[:-2], "--workload-address is missing; name the address that the proxy binds, as 127.0.1.1"),
        (SIDECAR, "--application-address is missing; name the address that the application listens on, as 127.0.0.1"),
        (
            (*SIDECAR, "--application-address", "127.0.1.1"),
            "sidecar and application would both listen on 127.0.1.1, at the same port; give the application an address "
            "of its own, as 127.0.0.1, or ports of its own, as --application-port 9080=8080",
        ),
        ((*SIDECAR, "--application-address", "pets"), "--application-address: 'pets' is not an IP address"),
        ((*SIDECAR, "--application-address", "127.0.0.1", "--application-port", "x"), "'x' is not PORT=PORT"),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--outbound-tcp", "shop/db"),
            "--outbound-tcp: 'shop/db' does not say where a service is dialled; write namespace/name=IP:PORT",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--outbound-tcp", "shop/db=127.0.1.1:15006"),
            "the sidecar itself listens on port 15006 of 127.0.1.1; let shop/db be dialled elsewhere",
        ),
        ((*GATEWAY, "--outbound-tcp", "shop/db=127.0.0.1:5432"), "--outbound-tcp: a gateway has no application"),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--application-port", "1=2", "--application-port", "1=3"),
            "--application-port: a listener port is given twice; give each once",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--proxy", "pets"),
            "--proxy: 'pets' is not of the form namespace/name, as shop/pets-v1",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--ads", "10.0.0.1:18000"),
            "--ads: 10.0.0.1:18000 can be reached from other machines, and ADS in clear is served only on a unix socket "
            "or a loopback address; name one of these, or give --ads-root, --token and --output-folder",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--token", "t"),
            "--output-folder is missing; name the folder for envoy.yaml",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--token", "t", "--output-folder", "/tmp/none"),
            "--ads-root is missing; name the file",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--ads-root", "r"),
            "--ads-root: what does the proxy show of itself? give --token, or --certificate and --key",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--token", "t", "--key", "k"),
            "--token is for port 15012, --certificate and --key are for port 15013; give either",
        ),
        (
            (*SIDECAR, "--application-address", "127.0.0.1", "--ads", "mesh.example.com:15012"),
            "--ads: mesh.example.com:15012 can be reached from other machines",
        ),
        ((*GATEWAY, "--application-address", "127.0.0.1"), "--application-address: a gateway has no application"),
    ],
)
def test_bootstrap_refuses_what_cannot_work(arguments, words):
    assert words in refused(*arguments)


# ---------------------------------------------------------------------------- serve


def test_serve_refuses_plaintext_where_others_could_reach_it(folder):
    assert refused("serve", "--files", folder, "--ads-plaintext", "0.0.0.0:18000") == (
        "--ads-plaintext: 0.0.0.0:18000 can be reached from other machines, and whoever reaches ADS in clear gets the "
        "configuration of any proxy; give unix:/path or a loopback address as 127.0.0.1:18000"
    )


def test_serve_refuses_a_folder_that_is_not_there(tmp_path):
    assert refused("serve", "--files", f"{tmp_path}/none", "--ads-plaintext", "unix:/tmp/a.sock") == (
        f"--files: {tmp_path}/none does not exist; name the folder that holds the YAML of the mesh"
    )


def test_serve_without_a_way_in_is_refused(folder):
    assert refused("serve", "--files", folder, "--ads", "off", "--ads-mtls", "off") == (
        "--ads and --ads-mtls are off, and there is no --ads-plaintext: nobody could connect"
    )


@pytest.mark.parametrize("said", [(), ("--files", "mesh", "--kubernetes")])
def test_serve_follows_either_files_or_a_cluster(said):
    assert refused("serve", *said, "--ads-plaintext", "unix:/tmp/a.sock") == (
        "give either --files, to follow a folder of YAML, or --kubernetes, to follow a cluster"
    )


@pytest.mark.parametrize("option", ["--kubeconfig", "--context", "--namespace"])
def test_what_is_said_of_a_cluster_counts_for_a_cluster_only(folder, option):
    assert refused("serve", "--files", folder, option, "shop", "--ads-plaintext", "unix:/tmp/a.sock") == (
        f"{option} says something of a cluster; give --kubernetes instead of --files"
    )


def test_serve_refuses_a_namespace_that_cannot_be_and_a_kubeconfig_that_is_not_there(tmp_path):
    said = ("serve", "--kubernetes", "--ads-plaintext", f"unix:{tmp_path}/a.sock", "--state", str(tmp_path))
    assert refused(*said, "--namespace", "No!") == "--namespace: No! is not the name of a namespace"
    absent = f"--kubeconfig: {tmp_path}/none does not exist; name a file as kubectl reads it"
    assert refused(*said, "--kubeconfig", f"{tmp_path}/none") == absent


@pytest.mark.parametrize("option", ["--ads", "--ads-mtls"])
def test_tls_is_for_addresses_and_not_for_sockets(folder, option):
    assert refused("serve", "--files", folder, option, "unix:/tmp/a.sock") == (
        f"{option}: unix:/tmp/a.sock is a unix socket, which needs no TLS; give it to --ads-plaintext"
    )


# ---------------------------------------------------------------------------- faults


def test_a_fault_of_the_user_is_one_line_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["meshloom", "check", "-f", "nowhere.yaml"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said == ("meshloom: nowhere.yaml does not exist; name a file or folder of YAML, or - for standard input\n")


@pytest.mark.parametrize(("debug", "shown"), [("", False), ("1", True)])
def test_a_fault_of_ours_says_so_and_shows_a_traceback_only_when_asked(monkeypatch, capsys, debug, shown):
    monkeypatch.setattr(sys, "argv", ["meshloom", "version"])
    monkeypatch.setenv("MESHLOOM_DEBUG", debug)
    monkeypatch.setattr(cli.importlib.metadata, "version", lambda _: 1 / 0)
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert end.value.code == 70
    assert "meshloom: ZeroDivisionError: division by zero\nThis is a fault of meshloom, please report it" in said
    assert ("Traceback" in said) is shown
