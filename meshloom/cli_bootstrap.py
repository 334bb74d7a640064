"""The command `meshloom bootstrap`: what people type.

Law: as `meshloom.cli`, to which it belongs.
"""

import pathlib
from typing import Annotated

import typer

from meshloom import choices, options

EPILOG = (
    "Example: meshloom bootstrap --proxy bookstore/reviews-v1 --ads mesh.example.com:15012 --ads-root root.pem "
    "--token reviews-v1.token --workload-address 10.0.0.7 --application-address 127.0.0.1 --output-folder /etc/envoy"
    "   ·   envoy -c /etc/envoy/envoy.yaml --drain-time-s 45 --file-flush-interval-msec 1000 --disable-hot-restart"
    "   ·   "
    "meshloom bootstrap --grpc --proxy bookstore/web --ads unix:/tmp/meshloom.sock > xds.json   ·   "
    "GRPC_XDS_BOOTSTRAP=xds.json python web.py"
)

_File = pathlib.Path | None


def bootstrap(
    proxy: options.ProxyName,
    ads: Annotated[
        str,
        typer.Option(
            "--ads", metavar="ADDRESS", help="Where the control plane serves ADS: IP:PORT, NAME:PORT or unix:/path."
        ),
    ],
    ads_root: Annotated[
        _File,
        typer.Option("--ads-root", metavar="FILE", help="The root certificates that the control plane is known by."),
    ] = None,
    token: Annotated[
        _File, typer.Option("--token", metavar="FILE", help="The token that the proxy shows, for port 15012.")
    ] = None,
    certificate: Annotated[
        _File, typer.Option("--certificate", metavar="FILE", help="The certificate that it shows, for port 15013.")
    ] = None,
    key: Annotated[_File, typer.Option("--key", metavar="FILE", help="The key of the certificate.")] = None,
    output_folder: Annotated[
        _File,
        typer.Option(
            "--output-folder",
            metavar="DIR",
            help="Write envoy.yaml there, and the files that tell Envoy of root, token or certificate.",
        ),
    ] = None,
    workload_address: Annotated[
        str, typer.Option(metavar="IP", help="What the proxy binds: what serviceDiscovery.hostname resolves to.")
    ] = "",
    application_address: Annotated[
        str, typer.Option(metavar="IP", help="Where the application listens; not for a gateway.")
    ] = "",
    application_port: options.ApplicationPorts = None,
    outbound_tcp: options.OutboundTcp = None,
    capture: options.Capture = choices.Capture.EXPLICIT,
    passthrough_inbound_port: options.PassthroughPorts = None,
    ipv4_only: options.Ipv4Only = False,
    gateway: Annotated[bool, typer.Option("--gateway", help="The proxy is that of an IngressGateway.")] = False,
    grpc: Annotated[
        bool, typer.Option("--grpc", help="For a gRPC program that calls others without a proxy; always JSON.")
    ] = False,
    admin: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Envoy's admin interface; else port 9901 of a loopback address.")
    ] = "",
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="The mesh, for names and ids in statistics. Repeatable."),
    ] = None,
    sotw: Annotated[bool, typer.Option("--sotw", help="State-of-the-world ADS instead of delta ADS.")] = False,
    output: options.OutputForm = choices.Form.YAML,
) -> None:
    """Print or write the bootstrap that an Envoy of the mesh starts with, or a gRPC program that speaks xDS itself.

    Applications and sidecars listen on addresses of their own; callers dial the workload address. The proxy also
    answers there on 15000 (outbound HTTP proxy), 15006 (/stats/prometheus) and 15010 (/health). With
    --capture transparent both share their addresses: start the proxy as the user that `meshloom capture` is told.

    On Envoy's command line: --drain-time-s 45, how long a replaced listener keeps its connections (Envoy's own default
    is 600), --file-flush-interval-msec 1000, how long a line of its access log may wait (Envoy's own default is ten
    seconds), and --disable-hot-restart, without which two Envoys on one machine need a --base-id each.
    """
    from meshloom.commands import bootstrap as command
    from meshloom.commands import whereabouts

    plane = command.ControlPlane(ads, ads_root, token, certificate, key, output_folder)
    in_explicit = {
        "--workload-address": workload_address,
        "--application-address": application_address,
        "--application-port": application_port,
        "--outbound-tcp": outbound_tcp,
    }
    passthrough, is_captured = passthrough_inbound_port or (), capture is choices.Capture.TRANSPARENT
    captured = {"--capture transparent": is_captured}
    in_transparent = {"--passthrough-inbound-port": passthrough, "--ipv4-only": ipv4_only}
    if grpc:
        envoys = {
            "--output-folder": output_folder,
            "--gateway": gateway,
            "--admin": admin,
            "--sotw": sotw,
            "--file": file,
        }
        command.run_grpc(whereabouts.proxyless(proxy, {**in_explicit, **captured, **in_transparent, **envoys}), plane)
    elif gateway:
        whereabouts.refuse({**captured, **in_transparent}, "is for sidecars; leave it out")
        door = whereabouts.gateway(proxy, workload_address, application_address, outbound_tcp or ())
        command.run(door, plane, admin, file or (), sotw=sotw, form=output)
    elif is_captured:
        whereabouts.refuse(in_explicit, "is for explicit capture; leave it out, the kernel tells what was dialled")
        of = whereabouts.captured(proxy, passthrough, is_ipv4_only=ipv4_only)
        command.run(of, plane, admin, file or (), sotw=sotw, form=output)
    else:
        whereabouts.refuse(in_transparent, "is for transparent capture; leave it out, or say --capture transparent")
        mapped, led = application_port or (), outbound_tcp or ()
        of = whereabouts.sidecar(proxy, workload_address, application_address, mapped, led)
        command.run(of, plane, admin, file or (), sotw=sotw, form=output)
