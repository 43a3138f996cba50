import socket

import pytest
from starlette.applications import Starlette

from streamspan.viewer.server import CannotListenError, listen, serving, url


def test_port_in_use() -> None:
    """A port in use is one clear message that names it and the way out."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError) as raised:
            listen("127.0.0.1", port)
    told = f"port {port} on 127.0.0.1 is in use: stop what listens there or choose another with --port"
    assert str(raised.value) == told


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_host_that_is_not_ours(host: str) -> None:
    """An address of another machine, or none at all, is one clear message too."""
    with pytest.raises(CannotListenError, match=f"^cannot listen on {host}, port 0: .+"):
        listen(host, 0)


def test_url_of_both_families() -> None:
    """The address of an IPv6 listener has its brackets."""
    with listen("127.0.0.1", 0) as four:
        assert url(four) == f"http://127.0.0.1:{four.getsockname()[1]}"
    if socket.has_ipv6:
        with listen("::1", 0) as six:
            assert url(six) == f"http://[::1]:{six.getsockname()[1]}"


def test_block_ends_the_server() -> None:
    """After the block the port is free again."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with serving(Starlette(), listener) as address:
        assert address == f"http://127.0.0.1:{port}"
        socket.create_connection(("127.0.0.1", port)).close()
    listen("127.0.0.1", port).close()
