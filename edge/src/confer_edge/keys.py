"""The keys that tokens are verified with: one secret, or a JSON Web Key Set (RFC 7517) that its owner may rotate."""

import asyncio
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet, OctKey

from confer_contracts.errors import ErrorCode, Rejection
from confer_kit.logs import logger
from confer_kit.watched_file import BYTES_MAX, WatchedFile

log = logger(__name__)

FETCH_S: Final = 5.0  # how long one fetch may take
UNKNOWN_AFTER_S: Final = 30.0  # an unknown kid causes a fetch at most so often
EMPTY_AFTER_S: Final = 5.0  # so often while there are no keys at all
OLD_AFTER_S: Final = 600.0  # keys are looked at again after this time, for those that were withdrawn


class Keys(Protocol):
    async def known(self) -> OctKey | KeySet:
        """Rejection(unavailable) while there are none."""

    async def renewed(self) -> bool:
        """A token named a key that is not known: whether there may be others now."""


class Secret:
    """One secret, for HS256 and its kin."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    async def known(self) -> OctKey:
        return self._key

    async def renewed(self) -> bool:
        return False


class KeyFile:
    """A JWKS in a local file, read again when that changes. ValueError or OSError when it cannot be used at start;
    later the keys stay as they were."""

    def __init__(self, path: Path) -> None:
        self._file = WatchedFile(path, key_set, "JWKS")

    async def known(self) -> KeySet:
        self._file.look()
        return self._file.value

    async def renewed(self) -> bool:
        return False


class KeyUrl:
    """A JWKS behind a URL, fetched in a thread when the first token comes, when a token names an unknown key, and when
    it has become old. While it cannot be fetched, the keys stay as they were."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def known(self) -> KeySet:
        if self._keys is None:
            await self._fetch(EMPTY_AFTER_S)
        elif time.monotonic() - self._fetched_at > OLD_AFTER_S:
            await self._fetch(UNKNOWN_AFTER_S)
        if self._keys is None:
            raise Rejection(ErrorCode.UNAVAILABLE, "auth.token: the keys to verify it cannot be fetched: try again")
        return self._keys

    async def renewed(self) -> bool:
        before = self._keys
        await self._fetch(UNKNOWN_AFTER_S)
        return self._keys is not before

    async def _fetch(self, pause_s: float) -> None:
        """Once for all who wait, and not again within `pause_s`, however it ended."""
        async with self._fetching:
            if time.monotonic() - self._tried_at < pause_s:
                return
            self._tried_at = time.monotonic()
            try:
                async with asyncio.timeout(FETCH_S):
                    self._keys = key_set(await asyncio.to_thread(_download, self._url))
                self._fetched_at = time.monotonic()
            except (OSError, ValueError, HTTPException) as error:  # TimeoutError is an OSError
                reason = f"{type(error).__name__}: {error}"
                log.warning("the JWKS cannot be fetched; the keys stay as they were", reason=reason)


def key_set(raw: bytes) -> KeySet:
    """The public keys of a JWKS that can verify signatures; ValueError when there is none. Secrets are passed over: one
    in a public key set would be everybody's. So are keys that we do not understand (RFC 7517, 5)."""
    parsed = orjson.loads(raw)
    told = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(told, list):
        raise ValueError("a JSON object with a list `keys` is expected")
    keys = [key for one in told if (key := _public_key(one)) is not None]
    if not keys:
        raise ValueError("there is no public key for signatures in it")
    return KeySet(keys)


def _public_key(told: Any) -> Key | None:
    if not isinstance(told, dict) or told.get("kty") == "oct" or told.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(told)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from where the settings say and from nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _download(url: str) -> bytes:
    """Blocks, for a bounded time: an answer that comes in drops is given up."""
    end = time.monotonic() + FETCH_S
    body = b""
    with urllib.request.build_opener(_NoRedirects).open(url, timeout=FETCH_S) as response:
        while chunk := response.read1(64 * 1024):
            body += chunk
            if len(body) > BYTES_MAX or time.monotonic() > end:
                raise ValueError("too much, or too slow")
    return body
