"""The options that several commands share.

Law: imports nothing heavy, for the command line reads it before it knows the command.
"""

import pathlib
from typing import Annotated

import typer

from meshloom import choices

Paths = Annotated[
    list[str],
    typer.Option("--file", "-f", metavar="PATH", help="A file or folder of YAML; - is standard input. Repeatable."),
]
SettingsFile = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--settings", metavar="FILE", envvar="MESHLOOM_SETTINGS", help="A YAML file of settings; all have defaults."
    ),
]
State = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        envvar="MESHLOOM_STATE",
        help="The folder of keys, certificates and revocations; by default the user's own.",
    ),
]
ProxyName = Annotated[
    str, typer.Option("--proxy", metavar="NS/NAME", help="The VirtualDeployment (or, with --gateway, IngressGateway).")
]
OperatorSocket = Annotated[
    str,
    typer.Option(
        "--operator-socket",
        metavar="PATH",
        envvar="MESHLOOM_OPERATOR_SOCKET",
        help="The socket that a control plane is asked on; by default in the user's runtime directory.",
    ),
]
OperatorToken = Annotated[
    str,
    typer.Option(
        "--operator-token",
        metavar="FILE",
        envvar="MESHLOOM_OPERATOR_TOKEN",
        help="The file of a token for the operator API in a cluster; --operator-socket is then a forwarded port.",
    ),
]
OutputForm = Annotated[choices.Form, typer.Option("--output", "-o", help="The form of the output.")]
OutboundTcp = Annotated[
    list[str] | None,
    typer.Option(
        "--outbound-tcp",
        metavar="SERVICE=IP:PORT",
        help="Where a service of TCP or TLS_PASSTHROUGH is dialled, as shop/db=127.0.0.1:5432. Repeatable.",
    ),
]
Capture = Annotated[
    choices.Capture,
    typer.Option(
        "--capture",
        help="explicit: the application is told where its proxy is; transparent: the kernel leads its connections "
        "there (see `meshloom capture`).",
    ),
]
PassthroughPorts = Annotated[
    list[int] | None,
    typer.Option(
        "--passthrough-inbound-port",
        metavar="PORT",
        help="In transparent capture, a port whose connections reach the application as they are. Repeatable.",
    ),
]
Ipv4Only = Annotated[
    bool, typer.Option("--ipv4-only", help="In transparent capture, bind no IPv6 address, where there is none.")
]
ApplicationPorts = Annotated[
    list[str] | None,
    typer.Option(
        "--application-port",
        metavar="PORT=PORT",
        help="Listener port = the application's own port, where they differ. Repeatable.",
    ),
]
InKubernetes = Annotated[
    bool,
    typer.Option(
        "--kubernetes",
        envvar="MESHLOOM_KUBERNETES",
        help="Follow the objects of a Kubernetes cluster: that of this pod, or that of the kubeconfig.",
    ),
]
Kubeconfig = Annotated[
    str,
    typer.Option("--kubeconfig", metavar="PATH", help="The kubeconfig file to find the cluster by; else as kubectl."),
]
Context = Annotated[str, typer.Option("--context", metavar="NAME", help="The context in the kubeconfig.")]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="NAME", help="Follow this namespace only. Repeatable; else all are followed."),
]
