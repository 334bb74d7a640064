"""The examples are applied as they are, through the real webhook, in a cluster where nothing of them is there."""

import pathlib
import re

import pytest
import yaml

from meshloom.admission import configuration
from meshloom.cluster import webhook_certificate
from tests.cluster import replicas, servers, users


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Yield a cluster of this module's own: others apply the examples, too, and here they are to be new."""
    if reason := servers.missing():
        pytest.skip(reason)
    with servers.with_kinds(tmp_path_factory.mktemp("own")) as running:
        yield running


EXAMPLES = pathlib.Path(__file__).parents[2] / "demo" / "examples"
ABSENT = re.compile(r"Warning: (\w+ \S+) spec\S*: (\w+ \S+) does not exist")


async def test_the_examples_apply_as_they_are_and_are_warned_of_nothing_that_is_there(
    cluster, api, namespace, log, monkeypatch
):
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    several = {path: _documents(path) for path in sorted(EXAMPLES.iterdir()) if path.suffix != ".md"}
    spaces = {one["metadata"]["namespace"] for some in several.values() for one in some}
    for space in spaces:
        cluster.kubectl("create", "namespace", space)
    async with replicas.replica(api, namespace, log, *spaces) as replica:
        document = configuration.configured({"url": replica.url})
        await api.request("POST", webhook_certificate.PATH.rpartition("/")[0], body=document)
        try:
            await replicas.bundled(api)
            for path, some in several.items():
                code, _, err = await users.Kubectl(cluster, namespace)(
                    "apply", "--namespace", "", "-R", "-f", str(path)
                )
                assert code == 0, err
                order = ["{kind} {metadata[namespace]}/{metadata[name]}".format(**one) for one in some]
                early = [(one, other) for one, other in ABSENT.findall(err) if order.index(other) < order.index(one)]
                assert early == [], "told that something does not exist which was applied before"
        finally:
            await api.request("DELETE", webhook_certificate.PATH)
    cluster.kubectl("delete", "namespace", *spaces, "--wait=false")


def _documents(path):
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    return [one for each in files for one in yaml.safe_load_all(each.read_text()) if one]
