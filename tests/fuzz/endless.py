"""The odd documents of `test_fuzz`, as many as one likes: `python -m tests.fuzz.endless 1000000 [SEED]`."""

import random
import resource
import sys
import time

from tests.fuzz import worlds

BATCH = 50


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(documents: int, seed: str) -> int:
    """Judge that many documents, print what was found and how it went; 1 if there were faults."""
    begun, kept, bad = time.process_time(), {}, 0
    for batch in range(documents // BATCH):
        draw = random.Random(f"{seed}/{batch}")
        world, texts = worlds.drawn(draw, BATCH)
        found = worlds.culprits(world, texts)
        if found:
            bad += 1
            say(f"batch {seed}/{batch}:" + "\n".join(("", *found)))
        if batch % 20 == 0:
            for text in texts:
                kept[worlds.outcome(text)] = kept.get(worlds.outcome(text), 0) + 1
        if batch % 1000 == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            say(f"{(batch + 1) * BATCH} documents, {time.process_time() - begun:.0f} s, {memory} MiB")
    say(f"{documents} documents in {time.process_time() - begun:.0f} s, {bad} bad batches; of every twentieth: {kept}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0"))
