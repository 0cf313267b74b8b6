"""Stock python-socketio on uvicorn, as its documentation has it: `python stock.py PORT`."""

import sys
from typing import Any

import socketio
import uvicorn

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")


@server.event  # type: ignore[untyped-decorator]
async def join_patient_room(sid: str, data: dict[str, Any]) -> None:
    await server.enter_room(sid, data["patient_id"])


@server.event  # type: ignore[untyped-decorator]
async def field_update(sid: str, data: dict[str, Any]) -> None:
    await server.emit("field_updated", data, room=data["patient_id"])


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(server), port=int(sys.argv[1]), log_level="warning", access_log=False, backlog=4096,
        ws_per_message_deflate=False,
    )  # fmt: skip
