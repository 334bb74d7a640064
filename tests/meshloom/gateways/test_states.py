"""How a gateway is, by its Deployment."""

from typing import Any

import pytest

from meshloom.gateways import states
from meshloom.gateways.states import Standing


def deployment(*conditions: tuple[str, str, str]) -> dict[str, Any]:
    told = [{"type": kind, "status": status, "message": words} for kind, status, words in conditions]
    return {"metadata": {"name": "front-deployment"}, "status": {"conditions": told}}


AVAILABLE = ("Available", "True", "Deployment has minimum availability.")
SHORT = ("Available", "False", "Deployment does not have minimum availability.")


@pytest.mark.parametrize(
    ("found", "standing", "words"),
    [
        (None, Standing.WAITING, "the Deployment is being made"),
        (deployment(), Standing.WAITING, "Deployment front-deployment is not available: its pods are being made"),
        (deployment(AVAILABLE), Standing.AVAILABLE, "Deployment front-deployment is available"),
        (deployment(SHORT), Standing.WAITING, "does not have minimum availability"),
        (deployment(SHORT, ("Progressing", "False", "has timed out")), Standing.WAITING, "has timed out"),
        (deployment(SHORT, ("ReplicaFailure", "True", "pods are forbidden")), Standing.WAITING, "pods are forbidden"),
        (deployment(AVAILABLE, ("ReplicaFailure", "True", "x")), Standing.AVAILABLE, "is available"),
    ],
)
def test_the_state_follows_from_the_conditions_of_the_deployment(found: Any, standing: Standing, words: str) -> None:
    state = states.of_deployment(found)
    assert state.standing is standing
    assert words in state.words
