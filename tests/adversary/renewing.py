"""`meshloom serve`, whose certificates are renewed at once on SIGUSR1, and whose root is replaced on SIGUSR2.

All is as in the program but two things: roots and certificates last for seconds, which settings do not allow, and the
keeper of the authorities hears signals. It is run with the arguments of `meshloom`.
"""

import asyncio
import signal
from dataclasses import dataclass

from mesh.problems import Ref
from meshloom import app, cli, pipeline
from meshloom.identity.authority import keeper, rotation

MESH = Ref("Mesh", "t", "main")
LEAF_LIFE, SPREAD, LINGER = 20.0, 1.0, 1.0
"""Seconds; people have at least 300, and 600 for each of the others."""


@dataclass(frozen=True, slots=True)
class Policy(rotation.Policy):
    """How long things last here: not as long as anything real has to."""

    leaf_life: float = LEAF_LIFE
    spread: float = SPREAD
    linger: float = LINGER

    def __post_init__(self) -> None:
        """Take everything as it is."""


class Keeper(keeper.Keeper):
    """Does what signals ask for when it is next asked itself, in the thread that is its own."""

    def __init__(self, ground, sources):
        ground = type(ground)(ground.store, Policy(), ground.generated)
        super().__init__(ground, sources)
        self._renewals, self._rotations = [], []

    def hear(self, known):
        """Listen for signals, on the event loop; `known` is the pipeline that asks."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._signalled, known, self._renewals)
        loop.add_signal_handler(signal.SIGUSR2, self._signalled, known, self._rotations)

    def _signalled(self, known, what):
        what.append(None)
        known.renew()

    def credentials(self, meshes, identities, secrets, acknowledged):
        if self._renewals:
            self._renewals.clear()
            self.renew_all()
        if self._rotations:
            self._rotations.clear()
            self.rotate(MESH)
        return super().credentials(meshes, identities, secrets, acknowledged)


class Pipeline(pipeline.Pipeline):
    """Has its keeper listen."""

    async def run(self, observations, cache):
        KEEPERS[0].hear(self)
        await super().run(observations, cache)


KEEPERS: list[Keeper] = []


def kept(ground, sources):
    """Return the keeper of this process."""
    KEEPERS.append(Keeper(ground, sources))
    return KEEPERS[0]


if __name__ == "__main__":
    app.keeper.Keeper, app.pipeline.Pipeline = kept, Pipeline
    cli.main()
