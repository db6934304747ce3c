from __future__ import annotations

import socket

import pytest


def test_a_socket_to_another_machine_is_refused() -> None:
    reserved_for_documentation = ("192.0.2.1", 80)
    with pytest.raises((RuntimeError, UserWarning), match=r"tried to use socket\.socket\.connect"):
        socket.create_connection(reserved_for_documentation, timeout=1)


def test_a_socket_to_this_machine_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=1):
        pass
