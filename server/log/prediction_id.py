"""Ids of logged predictions: 24 hexadecimal digits, of which the last four check the others.

The first 80 bits are random, or a digest of the caller's request id, so that a retry has the same id on every
machine. The check is CRC-16/CCITT (`binascii.crc_hqx`): it finds every typing error within four digits, and
lets one in 65,536 made-up ids pass. It keeps nobody from making ids up on purpose.
"""

import binascii
import hashlib
import re
import secrets

_BYTES = 10
_SEED = 0xFFFF  # with 0, an id of zeros would pass
_FORM = re.compile(r"[0-9a-f]{24}")


def new_prediction_id(request_id: str = "") -> str:
    """Returns an id that nobody else has: the same one for the same request id, unless that is empty."""
    if request_id:
        body = hashlib.sha256(b"playthrough request " + request_id.encode()).digest()[:_BYTES]
    else:
        body = secrets.token_bytes(_BYTES)
    return body.hex() + f"{binascii.crc_hqx(body, _SEED):04x}"


def is_possible(prediction_id: str) -> bool:
    """Returns whether a server can have issued an id."""
    if not _FORM.fullmatch(prediction_id):
        return False
    body = bytes.fromhex(prediction_id[: 2 * _BYTES])
    return prediction_id[2 * _BYTES :] == f"{binascii.crc_hqx(body, _SEED):04x}"
