"""The table of `docs/reference/protocols.md` is what real proxies do: each protocol, each way, allowed and denied."""

import pathlib

import pytest

from tests.envoy import matrix, talkers, worlds

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "reference" / "protocols.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"

pytestmark = pytest.mark.parametrize("variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=str, indirect=True)


@pytest.fixture(scope="module")
def rows(envoy, variant, tmp_path_factory):
    own = talkers.OwnTls(tmp_path_factory.mktemp("own") / "files")
    with matrix.running(tmp_path_factory.mktemp("protocols"), envoy, variant, own) as world:
        return [*matrix.rows(world, own)]


def table(rows):
    head = ("Protocol", "Way", "Allowed by a policy", "Allowed by none")
    lines = (f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows))
    return "".join(lines)


def test_every_protocol_goes_every_way_as_the_page_says(rows, request):
    before, _, rest = PAGE.read_text().partition(BEGIN)
    said, _, after = rest.partition(END)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(f"{before}{BEGIN}{table(rows)}{END}{after}")
    else:
        assert said == table(rows)


def test_whoever_is_allowed_is_served_and_whoever_is_not_never(rows):
    served = ("200", "answer and stream", "101, both ways", "both ways", "heard")
    assert [row for row in rows if row[2] not in served] == []
    assert [row for row in rows if row[3] in served] == []
