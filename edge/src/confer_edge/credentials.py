"""A user name and a password, and session ids that stand in for them afterwards. Pure: time comes in."""

import hashlib
import hmac
from typing import Any, Final

SESSION_S: Final = 8 * 3600.0
TEXT_CHARS_MAX: Final = 1000
_SALT: Final = b"confer admin session"


class Credentials:
    """A session id is `<end>.<HMAC of the end>`: any edge with the same password knows it, and none stores it."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = _digest(user), _digest(password)
        # a leaked session id must not make the password cheap to guess
        self._key = hashlib.scrypt(f"{user}\0{password}".encode(), salt=_SALT, n=2**14, r=8, p=1)

    def accepts(self, user: Any, password: Any) -> bool:
        """In constant time, whatever is wrong."""
        known = hmac.compare_digest(_digest(user), self._user)
        return hmac.compare_digest(_digest(password), self._password) and known

    def session(self, now: float) -> str:
        """Unix seconds."""
        end = str(int(now + SESSION_S))
        return f"{end}.{self._seal(end)}"

    def knows(self, session: Any, now: float) -> bool:
        """Whether this is the id of a session that has not ended."""
        if not isinstance(session, str) or len(session) > TEXT_CHARS_MAX:
            return False
        end, _, seal = session.partition(".")
        return hmac.compare_digest(seal.encode(), self._seal(end).encode()) and now < int(end)

    def _seal(self, end: str) -> str:
        return hmac.new(self._key, end.encode(), hashlib.sha256).hexdigest()


def _digest(text: Any) -> bytes:
    """Of equal length for all; what is no text, or too long, is like no other."""
    usable = isinstance(text, str) and len(text) <= TEXT_CHARS_MAX
    return hashlib.sha256(text.encode(errors="surrogatepass") if usable else b"\0not a text").digest()
