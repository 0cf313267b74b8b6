"""Write to many sockets in one system call: Linux' io_submit(2) (ADR 33)."""

import ctypes
import platform
import socket
import sys
import weakref
from array import array
from collections.abc import Sequence
from typing import Final

from confer_kit.logs import logger

log = logger(__name__)

SIZE: Final = 512  # sockets in one call
_WAIT_S: Final = 5
_PWRITE: Final = 1  # IOCB_CMD_PWRITE: on a socket, which has no position, what write(2) does
_CALLS: Final = {  # io_setup, io_destroy, io_getevents, io_submit
    "x86_64": (206, 207, 208, 209),
    "aarch64": (0, 1, 4, 2),
}
# <linux/aio_abi.h>: struct iocb and struct io_event as words of 64 bits, and where in them what is; of 32 bits with _32
_IOCB, _NUMBER, _BUFFER, _LENGTH = 8, 0, 3, 4
_IOCB_32, _OPCODE_32, _SOCKET_32 = 16, 4, 5
_EVENT, _EVENT_NUMBER, _EVENT_RESULT = 4, 0, 2


class Batch:
    """One of the kernel's contexts for such calls. The sockets must not block; a write to one of them is over when
    io_submit returns, whatever the name says (`opened` makes sure)."""

    def __init__(self, calls: Sequence[int], size: int = SIZE) -> None:
        """OSError: there is none (a seccomp profile; fs.aio-max-nr is reached)."""
        self.size = size
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        setup, destroy, self._getevents, self._submit = map(ctypes.c_long, calls)
        self._call = libc.syscall
        self._context = ctypes.c_ulong(0)
        if self._call(setup, ctypes.c_uint(size), ctypes.byref(self._context)) != 0:
            raise OSError(ctypes.get_errno(), "io_setup")
        weakref.finalize(self, self._call, destroy, self._context)
        self._iocbs = array("q", bytes(8 * _IOCB * size))
        self._iocbs[_NUMBER::_IOCB] = array("q", range(size))
        self._iocbs_32 = memoryview(self._iocbs).cast("B").cast("I")
        self._iocbs_32[_OPCODE_32::_IOCB_32] = array("I", [_PWRITE]) * size
        first, _ = self._iocbs.buffer_info()
        self._list = array("q", range(first, first + 8 * _IOCB * size, 8 * _IOCB))
        self._list_at = ctypes.c_void_p(self._list.buffer_info()[0])
        self._events = array("q", bytes(8 * _EVENT * size))
        self._events_at = ctypes.c_void_p(self._events.buffer_info()[0])
        self._wait = ctypes.byref((ctypes.c_long * 2)(_WAIT_S, 0))

    def write(self, sockets: Sequence[int], data: Sequence[bytes]) -> list[int] | None:
        """Write to each descriptor, of at most `size`, what is its own. None: each took all of it. Otherwise how many
        bytes each took, 0 for an error too; -1 where that is not known."""
        count = len(sockets)
        words = count * _IOCB
        where = {one: _address(one) for one in dict.fromkeys(data)}
        lengths = array("q", map(len, data))
        self._iocbs_32[_SOCKET_32 : count * _IOCB_32 : _IOCB_32] = array("I", sockets)
        self._iocbs[_BUFFER:words:_IOCB] = array("q", [where[one] for one in data])
        self._iocbs[_LENGTH:words:_IOCB] = lengths
        begun = max(0, self._call(self._submit, self._context, ctypes.c_long(count), self._list_at))
        all_of_them = ctypes.c_long(begun)
        ended = max(
            0, self._call(self._getevents, self._context, all_of_them, all_of_them, self._events_at, self._wait)
        )
        results = self._events[_EVENT_RESULT : ended * _EVENT : _EVENT]
        if results == lengths:
            return None
        took = [-1] * begun + [0] * (count - begun)
        for number, result in zip(self._events[_EVENT_NUMBER : ended * _EVENT : _EVENT], results, strict=True):
            took[number] = max(0, result)
        return took


def opened() -> Batch | None:
    """None where the kernel has no such thing or gives us none, or something that is not what we need."""
    calls = _CALLS.get(platform.machine()) if (sys.platform, sys.byteorder) == ("linux", "little") else None
    try:
        batch = Batch(calls) if calls else None
    except OSError as error:
        log.info("clients are written to one by one: no io_submit", reason=error.strerror)
        return None
    if batch is not None and not _is_as_expected(batch):
        log.warning("clients are written to one by one: io_submit is not what it is on Linux")
        return None
    return batch


def _is_as_expected(batch: Batch) -> bool:
    """Write to a socket that takes everything, one that takes a part, a full one, one whose peer is gone."""
    data = bytes(range(256)) * 4096
    pairs = [socket.socketpair() for _ in range(4)]
    (empty, reader), (small, _), (full, _), (alone, peer) = pairs
    try:
        for near, _ in pairs:
            near.setblocking(False)
        empty.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(data))
        _fill(full)
        peer.close()
        few = data[:1000]
        took = batch.write([one.fileno() for one in (empty, small, full, alone)], [few] * 4)
        part = batch.write([small.fileno()], [data])
        return took == [1000, 1000, 0, 0] and reader.recv(2000) == few and part is not None and 0 < part[0] < len(data)
    finally:
        for one in (one for pair in pairs for one in pair):
            one.close()


def _fill(full: socket.socket) -> None:
    try:
        while full.send(bytes(65536)):
            pass
    except BlockingIOError:
        return


def _address(data: bytes) -> int:
    """Where they are: valid as long as `data` is referred to."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
