"""The examples of `demo/examples`, asked what their README says one may ask."""

import re
import urllib.parse

import pytest

from meshloom import settings
from meshloom.commands import offline
from meshloom.demo import edits, split
from tests.envoy import worlds
from tests.envoy.examples import playing, table
from tests.envoy.worlds import served_by

REQUESTS = 400

PROBLEMS = {
    "bookshop": [
        f"VirtualDeployment bookshop/opinions-v{number} spec.serviceDiscovery.hostname: DNS finds VirtualDeployment"
        " bookshop/opinions-v1 at opinions.bookshop.svc.cluster.local:9080, too, so requests for one of them reach both,"
        " whatever the weights; give each deployment a hostname of its own"
        for number in (2, 3)
    ],
}
"""What `meshloom check` says of an example; of the others, nothing. Who serves more takes lines out."""

ROWS = table.rows()
EXAMPLES = tuple(dict.fromkeys(row.example for row in ROWS))


@pytest.fixture(scope="module", params=[worlds.NEWEST_VARIANT], ids=str)
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def theatre(tmp_path_factory, envoy, variant):
    with playing.theatre(tmp_path_factory.mktemp("examples"), envoy, variant) as house:
        yield house


# ---------------------------------------------------------------------------- states


def as_told_beside_the_hostnames(texts):
    """Give each deployment the hostname that stands in a comment beside its own."""
    cure = re.compile(r"(hostname: )\S+ +# without Kubernetes: (\S+)")
    assert any(cure.search(text) for text in texts.values())
    return {name: cure.sub(r"\1\2", text) for name, text in texts.items()}


def with_weights(texts, stable, canary):
    weights = {"quotes-stable": stable, "quotes-canary": canary}
    return {name: edits.with_weights(text, "quotes", weights) for name, text in texts.items()}


STATES = {
    "": lambda texts: texts,
    "with the hostnames of the comments": as_told_beside_the_hostnames,
    "at 80 to 20": lambda texts: with_weights(texts, 80, 20),
    "at 50 to 50": lambda texts: with_weights(texts, 50, 50),
    "at 0 to 100": lambda texts: with_weights(texts, 0, 100),
}


# ---------------------------------------------------------------------------- tests


def test_the_readme_lists_every_example_once():
    there = {path.name for path in table.FOLDER.iterdir() if path.name != table.PAGE.name}
    listed = list(re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", table.PAGE.read_text(), re.MULTILINE))
    assert len(listed) == len(set(listed))
    assert set(listed) == there == set(EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_says_its_idea_first(example):
    assert all(text.startswith("# ") for text in playing.files(example).values())


@pytest.mark.parametrize("example", EXAMPLES)
def test_check_says_of_an_example_what_is_to_be_said(example):
    found = offline.read([str(table.FOLDER / example)], settings.Settings())
    assert [str(problem) for problem in found.problems] == PROBLEMS.get(example, [])


def test_the_examples_can_be_served_together():
    found = offline.read([str(table.FOLDER)], settings.Settings())
    assert sorted(map(str, found.problems)) == sorted(words for listed in PROBLEMS.values() for words in listed)


def test_the_cure_of_the_bookshop_cures_it(tmp_path):
    for name, text in as_told_beside_the_hostnames(playing.files("bookshop")).items():
        (tmp_path / name).write_text(text)
    assert offline.read([str(tmp_path)], settings.Settings()).problems == ()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_question_of_the_readme_is_answered_as_it_says(theatre, row):
    played = theatre.played(row.example)
    last = played.players.last(row.asker)
    played.bring(row.state, STATES[row.state](playing.files(row.example)), row.url, last)
    if row.is_from_outside:
        url = urllib.parse.urlsplit(row.url)
        replies = [played.world.visit(url.path, url.netloc, url.port or 80, at=last)]
    else:
        replies = played.world.calls(row.url, REQUESTS if len(row.shares) > 1 or row.state else 1, by=last)
    if row.status != 200:
        (reply,) = replies
        words = re.escape(row.words) if row.words else rf"{row.status} \(request [0-9a-f-]{{36}}\)"
        assert reply.status == row.status, reply.text
        assert re.fullmatch(f"{words}\n", reply.text), reply.text
    else:
        lines = split.lines(row.shares, map(served_by, replies))
        assert all(line.holds for line in lines), lines
