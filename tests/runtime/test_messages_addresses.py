"""Addresses: what is no address is refused, and no secret is taken from where others can read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.errors import UsageError
from edgefer_runtime.messages import open_publisher
from edgefer_runtime.messages.address import Address

SCHEMES = ("mqtt", "mqtts", "zenoh")

ADDRESSES = {
    "http://host/topic": "the address",
    "mqtt://host": "the address",
    "mqtt://host/": "the address",
    "mqtt:topic": "without a host",
    "mqtt://host/robot/#": "the address",
    "mqtt://host/+/faces": "the address",
    "mqtt://host:99999/topic": "Port out of range",
    "mqtt://robot:s3cret@host/topic": "an address with a password in it",
    "mqtt://host//faces": "the address",
    "zenoh:robot/**": "the address",
    "zenoh:robot/$*": "the address",
    "zenoh:": "the address",
    "zenoh://robot@host/faces": "with a user",
    "mqtt://host/topic?qos=2": "the option qos=2",
    "mqtt://host/topic?queue=many": "the option queue=many",
    "mqtt://host/topic?queue=0": "a queue of 0",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_be_meant_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=ADDRESSES[address]) as caught:
        open_publisher(address)
    assert "s3cret" not in str(caught.value)


@given(st.sampled_from(SCHEMES), st.text(max_size=40))
def test_any_text_is_an_address_or_refused(scheme: str, text: str) -> None:
    try:
        assert Address.parse(f"{scheme}:{text}", *SCHEMES).name
    except UsageError as error:
        assert error.expected


def test_the_parts_of_an_address() -> None:
    assert Address.parse("mqtts://a%40b@[::1]:88/r%C3%B6/faces", *SCHEMES) == Address(
        "mqtts", "::1", 88, "a@b", "rö/faces"
    )
    assert Address.parse("zenoh:robot/faces", *SCHEMES) == Address("zenoh", None, None, None, "robot/faces")
    assert Address.parse("zenoh://host/robot/faces", *SCHEMES) == Address(
        "zenoh", "host", None, None, "robot/faces"
    )
