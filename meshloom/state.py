"""The state folder: what the control plane has to remember.

Law: for this user alone; everything in it that is public says so by its mode.
"""

import os
import pathlib

from meshloom import errors
from meshloom import settings as settings_model


def folder(named: pathlib.Path | None, settings: settings_model.Settings) -> pathlib.Path:
    """Return the folder that was named, or the one of the settings, or the user's own. Raises errors.UserError."""
    if named is not None:
        return pathlib.Path(os.path.abspath(named))
    if settings.state:
        return pathlib.Path(os.path.abspath(settings.state))
    for variable, below in (("XDG_STATE_HOME", "meshloom"), ("HOME", ".local/state/meshloom")):
        home = os.environ.get(variable, "")
        if home.startswith("/"):
            return pathlib.Path(home) / below
    raise errors.UserError("--state is missing, and this user has no home; name a folder")
