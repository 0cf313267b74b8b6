"""nats-py's client, and subscriptions whose messages are handed on as soon as they are read.

An ordinary subscription puts each message into a queue and wakes a task: at low rates that costs more than the rest
of its way (docs/adr/0016); so do the answers to requests, and what is sent, which is written without a task. The
connection and its reconnects stay the library's.
"""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.protocol import command
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from confer_contracts.subjects import answerer, template
from confer_kit.logs import logger
from confer_kit.nats_login import LoginClient
from confer_kit.nats_reading import Reading

log = logger(__name__)

# Called with subject, reply ("" if none), body and headers. Where something has to be sent before the next message is
# read, it answers with what to await.
Receive = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[None] | None]

_VERSION: Final = b"NATS/1.0"
_MESSAGE: Final = re.compile(rb"(?:HMSG (\S+) (\d+) (?:(\S+) )?(\d+)|MSG (\S+) (\d+)(?: (\S+))?) (\d+)\r\n")
_END: Final = b"\r\n"
_SUBJECTS: Final = re.compile(r"[^ \t\r\n]+ [^ \t\r\n]*")  # what may be sent: a subject, and perhaps a reply
_NONE: Final[Mapping[str, str]] = {}


class DirectClient(LoginClient):
    """`subscribe_direct` and `ask` beside what the library has, whose `request` goes by `ask` as well."""

    def __init__(self) -> None:
        super().__init__()
        self._direct: dict[int, Receive] = {}
        self._inbox = ""  # where answers come, with the number of the request behind it
        self._asked: dict[str, tuple[asyncio.Future[Msg], asyncio.TimerHandle]] = {}
        self._numbers = itertools.count(1)
        self._ps: DirectParser = DirectParser(self)
        self._to_be_written = False

    @property
    def server(self) -> str:
        """The id of the server that it is, or was last, connected to; a server has another one after each start."""
        return str(self._server_info.get("server_id", ""))

    async def subscribe_direct(self, subject: str, receive: Receive, queue: str = "") -> Subscription:
        """As `subscribe` with a callback; nothing is queued, so no pending limit applies."""
        number = self._sid + 1  # that the library gives next: messages may come before `subscribe` has ended
        self._direct[number] = receive
        try:
            subscription = await self.subscribe(subject, queue)
        except BaseException:
            del self._direct[number]
            raise
        assert subscription._id == number, "the library numbers subscriptions in another way"
        return subscription

    async def ask(
        self, subject: str, payload: bytes, timeout: float, headers: dict[str, str] | None = None
    ) -> asyncio.Future[Msg]:
        """Send a request, and do not wait: the future gets its answer (look whether `nobody_answers`), or the library's
        TimeoutError."""
        if not self._inbox:
            self._inbox = f"{self.new_inbox()}."
            await self.subscribe_direct(f"{self._inbox}*.*", self._answered)
        loop = asyncio.get_running_loop()
        future, number = loop.create_future(), str(next(self._numbers))
        self._asked[number] = future, loop.call_later(timeout, self._late, number)
        try:
            reply = f"{self._inbox}{answerer(subject)}.{number}"
            await self.publish(subject, payload, reply=reply, headers=headers)
        except BaseException:
            self._asked.pop(number)[1].cancel()
            raise
        return future

    async def _request_new_style(
        self, subject: str, payload: bytes, timeout: float = 1, headers: dict[str, Any] | None = None
    ) -> Msg:
        """The library's would wake two tasks for the answer."""
        return await (await self.ask(subject, payload, timeout, headers))

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: dict[str, Any] | None = None
    ) -> None:
        """The library's takes five steps, and looks at each header by itself. What is refused, or has to wait, is its
        own."""
        block = written(headers) if headers else b""
        size = len(payload)
        if (
            block is None or self._status != Client.CONNECTED or not _SUBJECTS.fullmatch(f"{subject} {reply}")
            or size > self._max_payload or self._pending_data_size + len(block) + size > self._max_pending_size
        ):  # fmt: skip
            await super().publish(subject, payload, reply, headers)
            return
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += size
        send = command.hpub_cmd(subject, reply, block, payload) if block else command.pub_cmd(subject, reply, payload)
        self._pending.append(send)
        self._pending_data_size += len(send)
        if not self._to_be_written:
            await self._flush_pending()

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        """The library's wakes a task, which writes."""
        if force_flush or not self.is_connected or not isinstance(self._transport, TcpTransport):
            return await super()._flush_pending(force_flush)
        if not self._to_be_written:
            self._to_be_written = True
            asyncio.get_running_loop().call_soon(self._write)
        return None

    def _write(self) -> None:
        """All that was sent in the last turn of the loop. While the connection does not take everything at once, it is
        the library's task that writes, and waits."""
        self._to_be_written = False
        if not self.is_connected or not self._pending:
            return
        assert isinstance(self._transport, TcpTransport)
        writer = self._transport._io_writer
        assert writer is not None
        assert self._flush_queue is not None
        if writer.transport.is_closing() or writer.transport.get_write_buffer_size():
            if self._flush_queue.empty():
                self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())
            return
        writer.write(b"".join(self._pending))
        self._pending, self._pending_data_size = [], 0

    def _answered(self, subject: str, reply: str, body: bytes, headers: Mapping[str, str]) -> None:
        future, timer = self._asked.pop(subject.rpartition(".")[2], (None, None))
        if future is not None and timer is not None:
            timer.cancel()
            if not future.done():
                future.set_result(Msg(self, subject, reply, body, dict(headers) or None))

    def _late(self, number: str) -> None:
        future, _ = self._asked.pop(number)
        if not future.done():
            future.set_exception(nats.errors.TimeoutError())

    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self._direct.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    async def _read_loop(self) -> None:
        """The library's wakes its task for each read. It takes errors and the end of the connection as it did."""
        transport = self._transport
        if not isinstance(transport, TcpTransport) or not isinstance(transport._io_reader, asyncio.StreamReader):
            await super()._read_loop()
            return
        reader, writer = transport._io_reader, transport._io_writer
        assert writer is not None
        try:
            await Reading(self._ps, reader, cast("asyncio.Transport", writer.transport)).run()
        except EOFError:
            error = nats.errors.UnexpectedEOF()
            await self._error_cb(error)
            await self._process_op_err(error)
        except (OSError, nats.errors.ProtocolError) as error:
            await self._process_op_err(error)
        except Exception:
            log.exception("reading from NATS has ended")

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """Called by the library's parser for each message."""
        receive = self._direct.get(sid)
        if receive is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        elif (later := self.hand_on(receive, subject, reply, data, headers)) is not None:
            await later

    def direct(self, sid: int) -> Receive | None:
        return self._direct.get(sid)

    def hand_on(
        self, receive: Receive, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> Awaitable[None] | None:
        """What is to be awaited before the next message. An exception would end the library's reading for good."""
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        try:
            later = receive(subject.decode(), reply.decode(), data, parsed(headers) if headers else _NONE)
        except Exception:
            _log_failure(subject)
            return None
        return None if later is None else _awaited(later, subject)


class DirectParser(Parser):
    """The library's parser, which takes 5 µs for a message with headers; for those of direct subscriptions, one behind
    the other, it is not asked (docs/adr/0017)."""

    nc: DirectClient

    def reset(self) -> None:
        super().reset()
        self._kept = bytearray()  # the beginning of such a message
        self._awaited = 0  # its bytes, as a whole

    def _is_between(self) -> bool:
        """Whether the library has not begun with something: what comes begins a message."""
        return not self.buf and self.state == AWAITING_CONTROL_LINE

    async def parse(self, data: bytes = b"") -> None:
        later, rest = self.take(data)
        while later is not None:
            await later
            later, rest = self.take(rest)
        if rest:
            await super().parse(rest)

    def take(self, data: bytes) -> tuple[Awaitable[None] | None, bytes]:
        """Hand on the messages of direct subscriptions, up to one that something has to be awaited for, or to what is
        the library's; answers with both, and what is left."""
        if self._kept:
            self._kept += data
            if len(self._kept) < self._awaited:
                return None, b""
            data = bytes(self._kept)
            self._kept.clear()
        at = 0
        while self._is_between() and (line := _MESSAGE.match(data, at)):
            with_headers = line[1] is not None
            subject, sid, reply = line.group(1, 2, 3) if with_headers else line.group(5, 6, 7)
            receive = self.nc.direct(int(sid))
            if receive is None:
                break
            head = line.end()
            body, end = head + int(line[4] or 0), head + int(line[8])
            if len(data) < end + len(_END):
                self._kept += data[at:]
                self._awaited = end + len(_END) - at
                return None, b""
            at = end + len(_END)
            later = self.nc.hand_on(receive, subject, reply or b"", data[body:end], data[head:body])
            if later is not None:
                return later, data[at:]
        return None, data[at:]


async def _awaited(later: Awaitable[None], subject: bytes) -> None:
    try:
        await later
    except Exception:
        _log_failure(subject)


def _log_failure(subject: bytes) -> None:
    log.exception("a message could not be handled", subject=template(subject.decode(errors="replace")))


def nobody_answers(answer: Msg) -> bool:
    """Whether it is the server's word that nobody serves the subject (nats-server ADR-4, "503 No Responders")."""
    return answer.headers is not None and answer.headers.get("Status") == "503"


def written(headers: Mapping[str, str]) -> bytes | None:
    """The headers as they are sent; None where one may not be sent as it is."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or not lines.isascii():
        return None
    return b"%b\r\n%b\r\n" % (_VERSION, lines.encode())


def parsed(block: bytes) -> dict[str, str]:
    """The headers of a message (nats-server ADR-4): `NATS/1.0`, perhaps a status and its description, then a line
    each. The status is under `Status`, as the library has it."""
    first, *lines = block.decode(errors="replace").split("\r\n")
    found = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if separator:
            found[name] = value.strip(" \t")
    if len(first) > len(_VERSION):
        found["Status"] = first[len(_VERSION) :].split(maxsplit=1)[0]
    return found
