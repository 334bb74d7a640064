"""What the operator API says, field by field.

Law: the JSON of one version never loses or renames a field; a reader ignores those it does not know. Text that came
from a proxy is printable and bounded.
"""

import datetime
from typing import Any, Final, Literal

import pydantic

from meshloom import short_names

VERSION: Final = "meshloom.operator/v1"

TypeState = Literal["synced", "pending", "rejected", "unused"]
ResourceState = Literal["synced", "pending", "rejected", "missing", "extra"]
Capture = Literal["explicit", "transparent", "none", "proxyless"]
Time = datetime.datetime


class _Shape(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="ignore", json_schema_serialization_defaults_required=True)


class Rejection(_Shape):
    """What a proxy refused, in its own words. `version` is that of the response; `more` counts resources left out."""

    resources: tuple[str, ...]
    more: int
    message: str
    version: str
    since: Time


class Wait(_Shape):
    """A resource whose change is held back until the proxy has accepted others, or a withdrawn one that stays until it
    has accepted others without it. `behind` are these others, as type and name; `more` counts those left out.
    """

    resource: str
    withdrawn: bool
    behind: tuple[str, ...]
    more: int
    since: Time


def reason(wait: Wait) -> str:
    """Return why something is held back, for people."""
    others = ", ".join(wait.behind) + (f" and {wait.more} more" if wait.more else "")
    if not others:
        return "waits"
    return f"stays until {others} no longer needs it" if wait.withdrawn else f"waits until {others} is accepted"


class Type(_Shape):
    """One resource type at one proxy.

    `sent` and `acked` are versions of responses, empty if there was none on this stream. `since` is when the state
    began, None for a type that is not used. `more_waits` counts waits left out.
    """

    type: short_names.ShortName
    state: TypeState
    since: Time | None
    sent: str
    acked: str
    rejections: tuple[Rejection, ...]
    waits: tuple[Wait, ...] = ()
    more_waits: int = 0


class Proxy(_Shape):
    """One connected stream of one proxy; `state` is the worst of its types. `deployment` is the
    IngressGatewayDeployment of a gateway's pod, as namespace/name, otherwise empty.
    """

    kind: Literal["VirtualDeployment", "IngressGateway"]
    namespace: str
    name: str
    node: str
    stream: int
    envoy: str
    variant: Literal["delta", "sotw"]
    capture: Capture
    address: str
    connected: Time
    state: TypeState
    types: tuple[Type, ...]
    deployment: str = ""


class Proxies(_Shape):
    """The answer of `/proxies`, and of `/proxies/{proxy}`."""

    version: Literal["meshloom.operator/v1"]
    proxies: tuple[Proxy, ...]


class Resource(_Shape):
    """One resource at one proxy: the versions it should have, was sent and has acknowledged, empty where not known.

    `message` is why the proxy refused it, or what it waits for. `body` is the resource that the proxy should have, if
    it was asked for.
    """

    type: short_names.ShortName
    name: str
    state: ResourceState
    should: str
    sent: str
    acked: str
    message: str
    body: dict[str, Any] | None


class Config(_Shape):
    """What one proxy should have and has."""

    proxy: Proxy
    resources: tuple[Resource, ...]


class Configs(_Shape):
    """The answer of `/config/{proxy}`: one entry for each connected stream of that proxy."""

    version: Literal["meshloom.operator/v1"]
    configs: tuple[Config, ...]
