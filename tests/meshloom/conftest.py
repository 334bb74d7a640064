"""What the tests of the program share."""

import gc
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

import pytest

from meshloom import memory


@pytest.fixture
def short_folder() -> Iterator[pathlib.Path]:
    """Return a folder whose path is short enough for a socket, which those of pytest are not always."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="meshloom-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def prepared() -> Iterator[None]:
    """Tune this process as the program does, and put it back."""
    switch, threshold = sys.getswitchinterval(), gc.get_threshold()
    memory.prepare()
    yield
    sys.setswitchinterval(switch)
    gc.set_threshold(*threshold)
    gc.collect()
