"""The repository speaks of itself, not of a machine it was made on, and nothing in it is half done."""

import pathlib
import re

# Put together here, so that this file does not contain what it looks for.
HOSTS = ("py" + "pi.org", "python" + "hosted.org", "crates" + ".io", "npm" + "js.org", "golang" + ".org", "maven" + ".org",
         "debian" + ".org")  # fmt: skip
PLACES = ("/wo" + "rk/", "/ro" + "ot/", ".lib" + "rary/", "/tm" + "p/bash_jobs")
SHARED = "sha" + "red/"
FOREIGN_PAGES = ("cr" + "ds.md", "xds-pro" + "tocol.md", "deci" + "sions.md", "the sp" + "ec says", "sp" + "ec `")
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X")


def mentions(tree, words, but=()) -> list[str]:
    """Return file, line and text of each mention."""
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in tree
        if path.name not in but
        for number, line in enumerate(_text(path).splitlines(), 1)
        if any(word in line for word in words)
    ]


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_no_package_registry_is_named(tree):
    assert not mentions(tree, HOSTS)


def test_no_path_of_one_machine_is_named(tree):
    assert not mentions(tree, PLACES)


def test_only_ci_knows_a_folder_outside(tree, root):
    assert not mentions([path for path in tree if path != root / ".ci" / "run"], (f"../{SHARED}", f"/{SHARED}"))


def test_no_page_is_cited_that_readers_do_not_have(tree):
    assert not mentions(tree, FOREIGN_PAGES)


def test_nothing_is_left_to_be_done_in_a_comment(tree):
    word = re.compile(rf"\b({'|'.join(UNFINISHED)})\b")
    sources = [path for path in tree if path.suffix in {".py", ".proto", ".yaml", ".toml"} or path.name == "Makefile"]
    assert not [f"{path}: {match.group()}" for path in sources for match in word.finditer(_text(path))]


def test_text_ends_with_a_newline_and_has_no_tabs_or_trailing_blanks(tree):
    written = [
        path for path in tree if path.suffix in {".py", ".md", ".yaml", ".toml", ".in"} and "wire" not in path.parts
    ]
    blemishes = [f"{path}: trailing blanks" for path in written if re.search(r"[ \t]+$", _text(path), re.MULTILINE)]
    blemishes += [
        f"{path}: no newline at the end" for path in written if _text(path) and not _text(path).endswith("\n")
    ]
    assert not blemishes
