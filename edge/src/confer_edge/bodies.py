"""Bodies of requests, bounded: one that is too large is not read on, one that breaks off is marked as such.

The library collects all of a body before it looks at anything, and takes what it has when the client is gone.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY: Final = "confer.body"  # in the scope: what is wrong with the body
TOO_LARGE: Final = "the body is too large"
INCOMPLETE: Final = "the body breaks off"


def bounded_bodies(application: ASGIApp, bytes_max: int) -> ASGIApp:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        taken, complete = 0, False

        async def bounded() -> Message:
            nonlocal taken, complete
            message = await receive()
            if message["type"] != "http.request":
                if not complete:
                    scope[BODY] = INCOMPLETE
                return message
            taken += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if taken <= bytes_max:
                return message
            scope[BODY], complete = TOO_LARGE, True
            return {**message, "more_body": False}

        await application(scope, bounded if scope["type"] == "http" else receive, send)

    return serve
