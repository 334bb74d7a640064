"""People who use a cluster by kubectl."""

import asyncio
import subprocess

import yaml

from tests import written


def document(text, namespace):
    return written.document(yaml.safe_load(text.replace("shop/", f"{namespace}/")))


class Kubectl:
    """`kubectl` as users have it."""

    def __init__(self, cluster, namespace):
        self._command = [str(cluster.assets / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace]
        self._namespace = namespace

    async def apply(self, text, *options):
        return await self("apply", *options, "-f", "-", text=yaml.safe_dump(document(text, self._namespace)))

    async def __call__(self, *arguments, text=None):
        """Return exit code, output and errors."""
        done = await asyncio.to_thread(
            subprocess.run, [*self._command, *arguments], input=text, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr
