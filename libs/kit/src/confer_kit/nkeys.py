"""Keys of users of NATS: an Ed25519 pair, written as nats-server and its tools write it.

A seed is base32 of two bytes that say what it is, the 32 secret ones, and their CRC-16 (github.com/nats-io/nkeys).
"""

import base64
import binascii
import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED, _USER = 18 << 3, 20 << 3
_HEAD: Final = bytes([_SEED | _USER >> 5, (_USER & 31) << 3])
_SECRET: Final = 32


class UserKey:
    """ValueError for what is no seed of a user; the text never tells the seed."""

    def __init__(self, seed: str) -> None:
        try:
            raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
        except ValueError:  # binascii.Error is one
            raise ValueError("not a seed of a NATS user") from None
        body, checksum = raw[:-2], raw[-2:]
        if not body.startswith(_HEAD) or len(body) != len(_HEAD) + _SECRET or _checksum(body) != checksum:
            raise ValueError("not a seed of a NATS user")
        self.seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(body[len(_HEAD) :])

    @classmethod
    def new(cls) -> "UserKey":
        return cls(_text(_HEAD + secrets.token_bytes(_SECRET)))

    @classmethod
    def read(cls, path: Path) -> "UserKey":
        """From a file that holds the seed, perhaps among lines of comment (`#` or `-`). OSError, or ValueError."""
        lines = (line.strip() for line in path.read_text().splitlines())
        return cls(next((line for line in lines if line and line[0] not in "#-"), ""))

    @property
    def public(self) -> str:
        """As the server's configuration names the user: `U...`."""
        return _text(bytes([_USER]) + self._key.public_key().public_bytes_raw())

    def sign(self, nonce: str) -> bytes:
        """What a client answers to the server's nonce, in base64."""
        return base64.b64encode(self._key.sign(nonce.encode()))


def _text(body: bytes) -> str:
    return base64.b32encode(body + _checksum(body)).decode().rstrip("=")


def _checksum(body: bytes) -> bytes:
    return binascii.crc_hqx(body, 0).to_bytes(2, "little")
