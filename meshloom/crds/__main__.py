"""Write the definitions into a folder: `python -m meshloom.crds deploy/crds`."""

import pathlib
import sys

from meshloom.crds import definition


def write(folder: pathlib.Path) -> None:
    """Write one file for each kind, and remove those of kinds that there are not."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {definition.file_name(each): definition.file_text(each) for each in definition.definitions()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in folder.glob("*.yaml"):
        if path.name not in texts:
            path.unlink()


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
