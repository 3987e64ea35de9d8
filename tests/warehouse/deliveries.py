"""Files as they are delivered, for the tests of ingest."""

import gzip
import json
import zipfile


def event(number, **fields):
    return {"event_id": f"e{number}", "event_name": "click", "event_at": "2026-01-01", **fields}


def json_lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def write(path, content, packing="plain"):
    """Write bytes as a plain file, a gzip, or a zip of one entry; return the path."""
    if packing == "zip":
        return write_zip(path, {"entry.jsonl": content})
    path.write_bytes(gzip.compress(content) if packing == "gzip" else content)
    return path


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path
