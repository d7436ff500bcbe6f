"""Reads gzip as a strict client does: JSON in on standard input, JSON out on standard output.

Of each member (base64): whether zlib found its end, how many bytes stand behind that end, and what it holds.
zlib checks CRC-32 and length; it reads one member only, as Chromium does.
"""

import base64
import json
import sys
import zlib

GZIP = 31


def read(member):
    decoder = zlib.decompressobj(GZIP)
    content = decoder.decompress(base64.b64decode(member)) + decoder.flush()
    return {
        "ended": decoder.eof,
        "behind": len(decoder.unused_data),
        "byteCount": len(content),
        "crc32": zlib.crc32(content),
    }


json.dump([read(member) for member in json.load(sys.stdin)], sys.stdout)
