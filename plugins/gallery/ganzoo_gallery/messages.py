"""Messages between the server and its worker: a JSON header, then binary parts."""

import json


def write_message(stream, header, parts=()):
    """Write a message.

    Args:
        stream: binary.
        header: a JSON object.
        parts: bytes of any length.
    """
    head = json.dumps({**header, "sizes": [len(part) for part in parts]}).encode()
    stream.write(len(head).to_bytes(4, "big") + head + b"".join(parts))
    stream.flush()


def read_message(stream):
    """Return the header and the parts of a message; None at the end of the stream."""
    size = stream.read(4)
    if len(size) < 4:
        return None
    header = json.loads(stream.read(int.from_bytes(size, "big")))
    return header, [stream.read(size) for size in header.pop("sizes")]
