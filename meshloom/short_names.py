"""Resource types as people call them: CDS, EDS, LDS, RDS, ECDS, SDS, RTDS.

Law: one table, for the metrics and for what operators are shown.
"""

from collections.abc import Mapping
from typing import Final, Literal

from xds import resource_types

ShortName = Literal["CDS", "EDS", "LDS", "RDS", "ECDS", "SDS", "RTDS"]

OF: Final[Mapping[str, ShortName]] = {
    resource_types.CLUSTER: "CDS",
    resource_types.ENDPOINTS: "EDS",
    resource_types.LISTENER: "LDS",
    resource_types.ROUTES: "RDS",
    resource_types.FILTER: "ECDS",
    resource_types.SECRET: "SDS",
    resource_types.RUNTIME: "RTDS",
}
"""Type URL -> short name, in the order they are shown."""
