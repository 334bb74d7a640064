"""Parse messages with Google's protobuf runtime and Envoy's own generated modules, in an environment of their own.

Law: this file is run, never imported. `xds-protos` installs over a package called `xds`, so the interpreter that runs
it is not ours. A JSON object a line comes in, `{"type": full name, "body": base64}`; for each, one goes out:
`{"body": base64, "json": …, "unknown": […]}` or `{"error": …}`.
"""

import base64
import importlib
import json
import pathlib
import sys

from google.protobuf import json_format, message, symbol_database, unknown_fields

PACKAGES = ("envoy", "xds", "udpa", "validate", "google", "cel", "opentelemetry")


def load_every_type():
    """Import each generated module, so that any message, and any message inside an `Any`, is known by its name."""
    site_packages = pathlib.Path(importlib.import_module("envoy.config").__path__[0]).parents[1]
    for package in PACKAGES:
        for path in sorted((site_packages / package).rglob("*_pb2.py")):
            importlib.import_module(".".join(path.relative_to(site_packages).with_suffix("").parts))


def answer(request):
    """Return what the official runtime makes of one encoded message."""
    parsed = message_class(request["type"]).FromString(base64.b64decode(request["body"]))
    return {
        "body": base64.b64encode(parsed.SerializeToString(deterministic=True)).decode(),
        "json": json_form(parsed),
        "unknown": sorted(unknown(parsed)),
    }


def message_class(full_name):
    """Return the generated class of a message; KeyError when Envoy has none of that name."""
    return symbol_database.Default().GetSymbol(full_name)


def json_form(parsed):
    """Return the JSON form, Anys unfolded; None for what JSON cannot say, such as a NaN in a Struct."""
    try:
        return json_format.MessageToDict(parsed)
    except (json_format.SerializeToJsonError, TypeError, ValueError):
        return None


def unknown(parsed):
    """Yield what Envoy's protos do not have, at any depth: fields as `Message:number`, types inside an Any by URL."""
    for each in unknown_fields.UnknownFieldSet(parsed):
        yield f"{parsed.DESCRIPTOR.full_name}:{each.field_number}"
    for child in children(parsed):
        yield from unknown(child)
    if parsed.DESCRIPTOR.full_name == "google.protobuf.Any" and parsed.type_url:
        yield from unknown_inside(parsed)


def unknown_inside(packed):
    """Yield what is unknown of the message inside an Any."""
    try:
        inside = message_class(packed.type_url.rpartition("/")[2])
    except KeyError:
        yield packed.type_url
    else:
        yield from unknown(inside.FromString(packed.value))


def children(parsed):
    """Yield the messages directly inside a message."""
    for field, value in parsed.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            yield from (each for each in value.values() if isinstance(each, message.Message))
        elif field.is_repeated:
            yield from value
        else:
            yield value


def main():
    """Answer each line of the standard input at once."""
    load_every_type()
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except (KeyError, message.DecodeError) as problem:
            result = {"error": f"{type(problem).__name__}: {problem}"}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
