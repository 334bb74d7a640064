"""The forms in which output can be asked for.

Law: imports nothing heavy, for the command line reads it before it knows the command.
"""

import enum


class Form(enum.Enum):
    """How a document is written."""

    YAML = "yaml"
    JSON = "json"


class Capture(enum.Enum):
    """How a proxy comes by the connections of its application."""

    EXPLICIT = "explicit"
    TRANSPARENT = "transparent"


class Listing(enum.Enum):
    """How problems are listed."""

    TABLE = "table"
    JSON = "json"


class Comparison(enum.Enum):
    """How what a proxy should have and has is shown."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


class ResourceType(enum.Enum):
    """The types of resources a proxy asks for."""

    CDS = "CDS"
    EDS = "EDS"
    LDS = "LDS"
    RDS = "RDS"
    SDS = "SDS"
    RTDS = "RTDS"


class Lines(enum.Enum):
    """How log lines are written; AUTO is CONSOLE at a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"
