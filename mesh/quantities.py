"""Quantities of Kubernetes, such as `100m` and `1Gi`, as numbers.

Law: total: what is no quantity is none of anything.
"""

import re
from decimal import Decimal
from typing import Final

_PREFIXES: Final = "KMGTPE"
_SCALES: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i)|([numkMGTPE]))?", re.ASCII)


def amount(written: str | float) -> Decimal:
    """Return a quantity as a number (`k8s.io/apimachinery/pkg/api/resource`); 0 for what is none."""
    found = _QUANTITY.fullmatch(str(written))
    if found is None:
        return Decimal(0)
    number, exponent, binary, suffix = found.groups()
    if binary:
        return Decimal(number) * Decimal(1024 ** (1 + _PREFIXES.index(binary[0])))
    return Decimal(number).scaleb(int(exponent[1:]) if exponent else _SCALES[suffix or ""])
