"""Every configuration that the translator's cases expect is one that a real Envoy loads, the newest and the oldest."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
from typing import Any

import pytest
import yaml

from tests import certificates
from tests.envoy import worlds
from tests.translator import bootstraps

CASES = pathlib.Path(__file__).parents[1] / "translator" / "cases"
OTHERS = ("problems.yaml", "proxyless-")
"""What is not for Envoy; that gRPC takes what is for it is shown in `test_proxyless`."""
EXPECTED = sorted(path for path in CASES.glob("*/expected/*.yaml") if not path.name.startswith(OTHERS))


def unlogged(of: Any) -> Any:
    """Return a copy without access logs, of which only a line is kept."""
    if isinstance(of, dict):
        return {key: unlogged(value) for key, value in of.items() if key != "access_log"}
    return [*map(unlogged, of)] if isinstance(of, list) else of


KNOWS_ALL, KNOWS_LESS = (), ("--allow-unknown-static-fields",)
"""The oldest Envoy takes what it does not know from a control plane, and warns, but not from a file."""


def fault(
    envoy: str, leniency: tuple[str, ...], holder: certificates.Files, expected: pathlib.Path, draft: pathlib.Path
) -> str:
    """Return why Envoy does not load these resources, or nothing."""
    node = {"node": {"id": "golden", "cluster": "golden"}}
    resources = unlogged(yaml.safe_load(expected.read_text()) or {})
    draft.write_text(json.dumps({**node, **bootstraps.static_bootstrap(resources, holder)}))
    command = (envoy, "--mode", "validate", "-c", draft, "--disable-hot-restart", "--log-level", "warning", *leniency)
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = f"{run.stdout}{run.stderr}"
    is_clean = run.returncode == 0 and "deprecated" not in said.lower()
    return "" if is_clean else f"{expected.relative_to(CASES)}: {said}"


@pytest.mark.parametrize(
    "variant", [worlds.NEWEST_VARIANT, worlds.OLDEST_VARIANT], ids=["newest", "oldest"], indirect=True
)
@pytest.mark.timeout(110)
def test_a_real_envoy_loads_every_expected_configuration(envoy, variant, tmp_path):
    assert EXPECTED
    leniency = KNOWS_LESS if variant.is_oldest else KNOWS_ALL
    holder = certificates.Authority().issued("spiffe://main.shop.mesh/ns/shop/vs/golden", tmp_path / "holder")
    drafts = [tmp_path / f"{number}.json" for number in range(len(EXPECTED))]
    with concurrent.futures.ThreadPoolExecutor(3 * (os.cpu_count() or 1)) as pool:
        faults = pool.map(
            fault, [envoy] * len(EXPECTED), [leniency] * len(EXPECTED), [holder] * len(EXPECTED), EXPECTED, drafts
        )
        assert not [said for said in faults if said]
