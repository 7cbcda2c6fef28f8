"""Who calls, where only the address tells."""

import pytest

from server.access.caller import Caller, peer_caller


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("ipv4:127.0.0.1:51234", "ipv4:127.0.0.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:51234", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::ffff%5D:7", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:7", "ipv6:fe80::/64"),
        ("ipv6:%5B::1%5D:7", "ipv6:::/64"),
        ("ipv6:what is this:7", "ipv6:what is this"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_an_address_without_its_port_is_a_caller_and_so_is_a_network_of_ipv6(peer: str, name: str) -> None:
    assert peer_caller(peer) == Caller(name, "anonymous")
