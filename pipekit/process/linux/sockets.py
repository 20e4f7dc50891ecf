"""Bytes that processes have moved over TCP, which /proc/PID/io does not count for recv and send.

The kernel tells by INET_DIAG, see sock_diag(7): one request lists all connections of this network
namespace, whatever their number of bytes, and by inode, which is how /proc/PID/fd names them.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator

assert sys.platform == "linux"  # tells the type checker that AF_NETLINK exists

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_TCP_INFO = 2  # INET_DIAG_INFO, which asks for a struct tcp_info, and the attribute that holds it
_CONNECTED = sum(1 << state for state in (1, 4, 5, 8, 9, 11))  # ESTABLISHED, FIN_WAIT1, ...
_HEADER = struct.Struct("=LHHLL")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBBxL48x")  # struct inet_diag_req_v2
_ANSWER = struct.Struct("=4x48xLLLLL")  # struct inet_diag_msg: ..., rqueue, wqueue, uid, inode
_ATTRIBUTE = struct.Struct("=HH")
_BYTES = struct.Struct("=QQ")  # bytes_acked, bytes_received
_BYTES_AT = 120  # in a struct tcp_info, since Linux 4.1
_BUFFER = 64 * 1024
_PREFIX = "socket:["


def moved(pids: Iterable[int]) -> dict[int, int]:
    """For each TCP connection of these processes, by inode: bytes read plus bytes acknowledged.

    Bytes that wait in a buffer to be read do not count. Raises OSError if the kernel does not tell.
    """
    ours = {inode for pid in pids for inode in _sockets_of(pid)}
    if not ours:
        return {}
    families = (socket.AF_INET, socket.AF_INET6)
    return {i: size for family in families for i, size in _connections(family) if i in ours}


def _sockets_of(pid: int) -> Iterator[int]:
    """The inodes of a process's sockets; none if we may not look or it is gone."""
    folder = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return
    for descriptor in descriptors:
        try:
            target = os.readlink(f"{folder}/{descriptor}")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if target.startswith(_PREFIX):
            yield int(target[len(_PREFIX) : -1])


def _connections(family: int) -> Iterator[tuple[int, int]]:
    """The inode of each connection, and the bytes that it has moved."""
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_TCP_INFO - 1), _CONNECTED)
    header = _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asked:
        asked.sendall(header + request)
        while True:
            for kind, body in _messages(asked.recv(_BUFFER)):
                if kind != _BY_FAMILY:  # the end, or an error: nothing more is told
                    return
                yield _connection(body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The netlink messages of a packet: type and content."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, *_ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + size]
        at += max(size + 3 & ~3, _HEADER.size)


def _connection(body: bytes) -> tuple[int, int]:
    _, unread, _, _, inode = _ANSWER.unpack_from(body)
    at = _ANSWER.size
    while at + _ATTRIBUTE.size <= len(body):
        size, kind = _ATTRIBUTE.unpack_from(body, at)
        if kind == _TCP_INFO and size >= _ATTRIBUTE.size + _BYTES_AT + _BYTES.size:
            acknowledged, received = _BYTES.unpack_from(body, at + _ATTRIBUTE.size + _BYTES_AT)
            return inode, acknowledged + received - unread
        at += max(size + 3 & ~3, _ATTRIBUTE.size)
    return inode, 0
