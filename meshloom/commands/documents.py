"""Documents as text: YAML for people, JSON for programs; the same document is the same text.

Law: keys are in the order of the document, which is fixed; nothing depends on a hash seed.
"""

import json
from typing import Any

import yaml

from meshloom import choices


def text(document: Any, form: choices.Form) -> str:
    """Return a document as text that ends with a newline."""
    if form is choices.Form.JSON:
        return json.dumps(document, indent=2) + "\n"
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes shared values out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
