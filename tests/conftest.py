"""What all tests share: the option that rewrites expected files, the pure packages unplugged, and no secret let out."""

from collections.abc import Generator, Iterator

import pytest

from tests import secrecy, unplugged

unplugged.unplug()

TOLD = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write expected files anew and delete those that nothing produces"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that shows a secret, and do not show it again."""
    report = yield
    secrets = secrecy.shown(report)
    if secrets and not item.stash.get(TOLD, False):
        item.stash[TOLD], report.outcome = True, "failed"
        report.longrepr = f"this test has printed, logged or raised {', '.join(secrets)}"
    if secrets:
        report.sections = []
    return report


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run if a program has written a secret where people read."""
    yield
    assert not secrecy.in_files(tmp_path_factory.getbasetemp())
