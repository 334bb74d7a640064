"""Write the Helm chart into a folder: `python -m meshloom.install deploy/helm/meshloom`."""

import pathlib
import sys

from meshloom.install import chart


def write(folder: pathlib.Path) -> None:
    """Write the files of the chart, and remove templates that there are not any more."""
    texts = chart.files()
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in (folder / "templates").iterdir():
        if f"templates/{path.name}" not in texts:
            path.unlink()


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
