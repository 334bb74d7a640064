"""What a proxy says when it answers by itself: `LocalReplyConfig` of the HTTP connection manager.

Law: the first mapper whose filter holds gives the body, then `body_format`, then what was going to be said anyway.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from tests.meaning import rbac
from tests.meaning.payloads import Answered, Request
from tests.meaning.understood import NotUnderstoodError

REQUEST_ID = "<request id>"


def reply(manager: Mapping[str, Any], answer: Answered, request: Request, peer: rbac.Peer) -> Answered:
    """Return an answer in the words that a connection manager has for it."""
    config = manager.get("local_reply_config", {})
    mapper = next((one for one in config.get("mappers", ()) if _holds(one["filter"], answer)), {})
    form = mapper.get("body_format_override", config.get("body_format"))
    told = dataclasses.replace(answer, status=mapper.get("status_code", answer.status))
    if form is None:
        return told
    text = form["text_format_source"]["inline_string"]
    return dataclasses.replace(told, text=_filled(text, told, request, peer))


def _holds(condition: Mapping[str, Any], answer: Answered) -> bool:
    """Return whether an expression holds; of CEL only what is used is known: `&&` or `||` between plain terms."""
    expression, holds = _expression(condition), _term(answer)
    if " || " in expression:
        return any(map(holds, expression.split(" || ")))
    return all(map(holds, expression.split(" && ")))


def _expression(condition: Mapping[str, Any]) -> str:
    return str(condition["extension_filter"]["typed_config"]["expression"])


def _term(answer: Answered) -> Any:
    """Return what judges one term of an expression."""

    def holds(term: str) -> bool:
        if found := re.fullmatch(r"response\.code == (\d+)", term):
            return answer.status == int(found[1])
        if found := re.fullmatch(r"response\.code_details == '([^']*)'", term):
            return answer.details == found[1]
        if found := re.fullmatch(r"response\.code_details\.startsWith\('([^']*)'\)", term):
            return answer.details.startswith(found[1])
        if found := re.fullmatch(r"response\.code_details\.contains\('([^']*)'\)", term):
            return found[1] in answer.details
        raise NotUnderstoodError(f"the CEL expression {term}")

    return holds


def _filled(form: str, answer: Answered, request: Request, peer: rbac.Peer) -> str:
    """Return a text with its commands (`%RESPONSE_CODE%`) carried out."""
    uris = peer.certificate.uris if peer.certificate else ()
    commands = {
        "%RESPONSE_CODE%": str(answer.status),
        "%REQ(:AUTHORITY)%": request.authority,
        "%REQ(X-REQUEST-ID)%": REQUEST_ID,
        "%DOWNSTREAM_PEER_URI_SAN%": ",".join(uris) or "-",
    }
    found = re.sub("%[^%]+%", lambda command: commands.get(command[0], command[0]), form)
    if re.search("%[^%]+%", found):
        raise NotUnderstoodError(f"the format {form}")
    return found
