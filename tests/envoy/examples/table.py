"""The table in the README of the examples, read: what is asked there, and what is said to answer.

Law: the page is what is tested; a row that cannot be read is a fault of the page.
"""

import pathlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FOLDER = pathlib.Path(__file__).parents[3] / "demo" / "examples"
PAGE = FOLDER / "README.md"

LINK = re.compile(r"\[(?P<name>[^]]+)\]\((?P<path>[^)]+)\)")
ASK = re.compile(
    r"(?:`(?P<caller>[^`]+)` calls|a visitor asks `(?P<gateway>[^`]+)` for) `(?P<url>http://[^`]+)`(?:, (?P<state>.+))?"
)
REFUSAL = re.compile(r"(?P<status>[45]\d\d)(?:: `(?P<words>[^`]+)`)?")
SHARE = re.compile(r"`(?P<version>[^`]+)`(?: (?P<percent>\d+) %)?")


@dataclass(frozen=True, slots=True)
class Row:
    """A question: who asks (the name of a deployment or, from outside, of a gateway) for which URL, in which state of
    the example; and the answer: shares by version, or the status and the words of a refusal.
    """

    example: str
    asker: str
    is_from_outside: bool
    url: str
    state: str
    shares: Mapping[str, float]
    status: int = 200
    words: str = ""

    def __str__(self) -> str:
        return f"{self.asker} {self.url}" + (f" {self.state}" if self.state else "")


def rows() -> tuple[Row, ...]:
    """Return the questions of the page in order."""
    return tuple(_rows(PAGE.read_text()))


def _rows(text: str) -> Iterator[Row]:
    example = ""
    for line in text[text.index("| ---") :].splitlines()[1:]:
        if not line.startswith("|"):
            return
        link, _, asked, answered = (cell.strip() for cell in line[1:-1].split("|"))
        example = LINK.fullmatch(link)["path"] if link else example
        yield _row(example, asked, answered)


def _row(example: str, asking: str, answered: str) -> Row:
    asked = ASK.fullmatch(asking)
    assert asked, asking
    refusal = REFUSAL.fullmatch(answered)
    return Row(
        example,
        asked["caller"] or asked["gateway"],
        asked["gateway"] is not None,
        asked["url"],
        asked["state"] or "",
        {} if refusal else _shares(answered),
        int(refusal["status"]) if refusal else 200,
        (refusal["words"] or "") if refusal else "",
    )


def _shares(answered: str) -> dict[str, float]:
    """Return the shares in percent; where no number stands they are even."""
    found = [*SHARE.finditer(answered)]
    assert found, answered
    return {one["version"]: int(one["percent"]) / 100 if one["percent"] else 1 / len(found) for one in found}
