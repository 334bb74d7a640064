"""What real Envoys say of the configuration they are given: nothing."""

import pytest

from tests.envoy import worlds

PROXIES = (worlds.GATEWAY, worlds.CALLER, worlds.STRANGER, 21, 28, 29, 60)


@pytest.mark.parametrize("proxy", PROXIES)
def test_no_update_is_rejected(world, proxy):
    assert world.stats("*update_rejected", proxy) == 0
    assert world.stats("*update_success", proxy) > 0


@pytest.mark.parametrize("proxy", PROXIES)
def test_nothing_deprecated_is_used(world, proxy):
    assert world.stats("runtime.deprecated_feature_use", proxy) == 0


def test_no_proxy_warns(world):
    logs = {path.name: path.read_text() for path in (world.site.folder / "logs").glob("*.log")}
    proxies = {name: text for name, text in logs.items() if name.startswith(("gateway-", "sidecar-"))}
    assert len(proxies) == len(PROXIES)
    loud = ("[warning]", "[error]", "[critical]")
    assert not [line for text in proxies.values() for line in text.splitlines() if any(word in line for word in loud)]
