"""Text from strangers made safe to print: what a terminal would act upon is written out instead.

Law: what is printable stays as it is; nothing is longer than asked for.
"""

ELLIPSIS = "…"


def printable(text: str, most: int) -> str:
    """Return a text of at most `most` characters with control and formatting characters escaped, as `\\x1b`."""
    shown = text if text.isprintable() else "".join(map(_escaped, text[:most]))
    return shown if len(shown) <= most else shown[: most - 1] + ELLIPSIS


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
