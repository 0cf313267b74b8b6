"""Whoever is with a patient is listed on the patient's ticket, whether they or the ticket came first."""

import asyncio
from typing import Any

import socketio

from confer_kit.testing import running_system


async def staff(client: socketio.AsyncClient, patient: str) -> list[str]:
    answer: dict[str, Any] = await client.call("queue_open", {}, timeout=30)
    return next((row["staff_working"] for row in answer["rows"] if row["patient_id"] == patient), [])


async def test_staff_are_listed_whether_they_or_the_ticket_came_first() -> None:
    async with running_system() as system:
        ana, ben = socketio.AsyncClient(), socketio.AsyncClient()
        try:
            await ana.connect(f"{system.url()}?user_id=ana&user_name=Ana&user_role=nurse", transports=["websocket"])
            await ben.connect(f"{system.url()}?user_id=ben&user_name=Ben&user_role=doctor", transports=["websocket"])
            await ana.call("join_patient_room", {"patient_id": "P1"}, timeout=30)
            await ana.call("queue_enqueue", {"patient_id": "P1"}, timeout=30)
            async with asyncio.timeout(30):
                while await staff(ben, "P1") != ["ana"]:
                    await asyncio.sleep(0.05)
            await ben.call("join_patient_room", {"patient_id": "P1"}, timeout=30)
            async with asyncio.timeout(30):
                while sorted(await staff(ben, "P1")) != ["ana", "ben"]:
                    await asyncio.sleep(0.05)
        finally:
            await ana.disconnect()
            await ben.disconnect()
