"""The documents agree with the tree: links lead somewhere, the map is the territory, cited rules exist."""

import pathlib
import re

import pydantic
import pytest
import typer

from meshloom import cli, settings

OUTSIDE = ("http://", "https://", "mailto:")
PAGE_OF_RULES = "docs/reference/xds-rules.md"
RULE = re.compile(r"\b([CSD][1-9][0-9]?)\b")
DECISION = re.compile(r"(?P<number>\d{4})-[a-z0-9-]+\.md")
NUMBER = r"[0-9]+\.[0-9]+\.[0-9]+"
NOT_KEPT = {"S14", "D14", "D15"}
"""Rules about what meshloom does not offer; the page says so."""


@pytest.fixture(scope="module")
def pages(tree) -> tuple[pathlib.Path, ...]:
    return tuple(path for path in tree if path.suffix == ".md")


def prose(page: pathlib.Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: pathlib.Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_relative_links_lead_somewhere(pages):
    broken = []
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            target, _, anchor = link.partition("#")
            there = (page.parent / target).resolve() if target else page
            if link.startswith(OUTSIDE):
                continue
            if not there.exists() or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
                broken.append(f"{page}: {link}")
    assert not broken


def folders_drawn(page: pathlib.Path) -> set[str]:
    """Return the top-level folders in the map of a page: lines as `mesh/    the model` in a text block."""
    return set(re.findall(r"^(?:[├└]── )?([a-z.]+)/ ", page.read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_map_shows_every_folder_at_the_top_and_no_other(root, tree, page):
    real = {path.relative_to(root).parts[0] for path in tree if len(path.relative_to(root).parts) > 1}
    assert folders_drawn(root / page) == real - {".ci", ".github"}


def test_decisions_are_numbered_without_a_gap_and_have_one_form(root):
    decisions = sorted((root / "docs" / "decisions").glob("*.md"))
    assert [int(DECISION.fullmatch(path.name)["number"]) for path in decisions] == [*range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text()
        assert text.startswith(f"# {int(path.name[:4])}. "), path
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], path
        assert re.search(r"^Status: (accepted|proposed|superseded)", text, re.MULTILINE), path


def test_the_index_lists_every_decision(root):
    index = (root / "docs" / "architecture.md").read_text()
    assert not [
        path.name for path in (root / "docs" / "decisions").glob("*.md") if f"decisions/{path.name}" not in index
    ]


def rules(root) -> set[str]:
    return set(re.findall(r"^\| ([CSD]\d+) \|", (root / PAGE_OF_RULES).read_text(), re.MULTILINE))


def test_a_rule_of_the_protocol_that_is_cited_exists(root, modules):
    cited = {
        (module.name, rule)
        for module in modules
        if module.name.startswith("xds.")
        for rule in RULE.findall(module.text)
    }
    assert {rule for _, rule in cited} <= rules(root), cited


def test_every_rule_of_the_protocol_has_a_test_of_its_name(root):
    tests = "\n".join(path.read_text() for path in (root / "tests").rglob("test_*.py"))
    named = {rule.upper() for rule in re.findall(r"def test_([csd]\d+)_", tests)}
    named |= {
        rule.upper() for names in re.findall(r"def test_((?:[csd]\d+_)+)", tests) for rule in names.split("_") if rule
    }
    assert not rules(root) - NOT_KEPT - named


def test_targets_of_make_that_a_page_names_exist(root, pages):
    targets = set(re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(), re.MULTILINE))
    named = {
        (page.name, target)
        for page in pages
        for target in re.findall(r"(?:^\$ |`)make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert not {(page, target) for page, target in named if target not in targets}


def test_the_page_of_the_model_s_rules_lists_those_the_code_cites(root, modules):
    texts = [module.text for module in modules if module.name.startswith("mesh.")]
    single = {number for text in texts for number in re.findall(rf"\b[Rr]ules? ({NUMBER})\b", text)}
    second = {number for text in texts for number in re.findall(rf"\b[Rr]ules {NUMBER} and ({NUMBER})\b", text)}
    ranges = [found for text in texts for found in re.findall(rf"\b[Rr]ules ({NUMBER}) to ({NUMBER})\b", text)]
    assert single | second | {number for found in ranges for number in between(*found)} == model_rules(root)


def between(first: str, last: str) -> list[str]:
    """Return the numbers of rules from one to another of the same chapter."""
    chapter, _, start = first.rpartition(".")
    return [f"{chapter}.{number}" for number in range(int(start), int(last.rpartition(".")[2]) + 1)]


def model_rules(root: pathlib.Path) -> set[str]:
    """Return the numbers on the page of the model's rules."""
    return set(re.findall(rf"^\| ({NUMBER}) \|", (root / "docs/reference/rules.md").read_text(), re.MULTILINE))


def test_every_rule_of_the_model_has_a_test_of_its_name(root):
    tests = "\n".join(path.read_text() for path in sorted((root / "tests/mesh").glob("test_*.py")))
    names = re.findall(r"def test_((?:\d+_\d+_\d+_(?:and_|to_)?)+)", tests)
    named = {number.replace("_", ".") for name in names for number in re.findall(r"\d+_\d+_\d+", name)}
    assert named == model_rules(root)


def test_the_page_of_commands_shows_every_command_and_option(root):
    page = (root / "docs" / "reference" / "cli.md").read_text()
    commands = typer.main.get_command(cli.app).commands
    assert set(re.findall(r"^## `meshloom ([a-z]+)", page, re.MULTILINE)) == set(commands)
    groups = {name: getattr(command, "commands", {}) for name, command in commands.items()}
    below = [inner for inner_ones in groups.values() for inner in inner_ones.values()]
    options = {max(each.opts, key=len) for command in (*commands.values(), *below) for each in command.params}
    full = [f"meshloom {name} {inner}" for name, inner_ones in groups.items() for inner in inner_ones]
    assert not [name for name in full if name not in page]
    assert not {option for option in options if f"{option}" not in page} - {"--help", "--output", "--file"}


def leaves(model: type[pydantic.BaseModel], prefix: str = "") -> set[str]:
    """Return the dotted names of all settings."""
    found = set()
    for name, each in model.model_fields.items():
        nested = isinstance(each.annotation, type) and issubclass(each.annotation, pydantic.BaseModel)
        found |= leaves(each.annotation, f"{prefix}{name}.") if nested else {prefix + name}
    return found


def test_the_page_of_commands_shows_every_setting(root):
    page = (root / "docs" / "reference" / "cli.md").read_text()
    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", page[page.index("## Settings") :], re.MULTILINE))
    assert listed == leaves(settings.Settings)
