"""Rights: what may be asked about.

An action is `join` (to become a member of an audience and to stay one, so to receive) or the name of a call that
clients may send.
"""

from typing import Final

from confer_contracts.catalogue import PUBLIC_CALLS

JOIN: Final = "join"
ACTIONS: Final[tuple[str, ...]] = (JOIN, *PUBLIC_CALLS)
