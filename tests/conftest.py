"""What all tests share: the option that rewrites expected files, and the pure packages unplugged."""

import pytest

from tests import unplugged

unplugged.unplug()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write expected files anew and delete those that nothing produces"
    )
