"""What a list says a second time.

Law: one look at each item, however long the list.
"""

from collections.abc import Hashable, Iterable, Iterator


def repeated(values: Iterable[Hashable]) -> Iterator[int]:
    """Yield the index of each value that an earlier one equals."""
    seen: set[Hashable] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index
        seen.add(value)
