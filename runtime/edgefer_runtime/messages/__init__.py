"""Faces as messages: one JSON form of them, and the ways they travel to other programs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from urllib.parse import parse_qsl

from edgefer_runtime.errors import UsageError
from edgefer_runtime.messages.address import Address
from edgefer_runtime.messages.publisher import Publisher
from edgefer_runtime.messages.schema import FacesMessage, decode_faces, encode_faces, faces_as_json
from edgefer_runtime.redaction import redacted

__all__ = [
    "FacesMessage",
    "Publisher",
    "decode_faces",
    "encode_faces",
    "faces_as_json",
    "open_publisher",
    "require_address",
]

PUBLISHERS = {"mqtt": "mqtt:MqttPublisher", "mqtts": "mqtt:MqttPublisher", "zenoh": "zenoh:ZenohPublisher"}


def require_address(address: str) -> None:
    """Raise unless :func:`open_publisher` knows addresses of this form; no library is imported.

    Raises:
        UsageError: it does not.
    """
    Address.parse(address.partition("?")[0], *PUBLISHERS)


def open_publisher(address: str) -> Publisher:
    """The publisher that an address names; the publisher's keyword arguments follow a question mark.

    Args:
        address: ``mqtt://host/topic``, ``mqtts://user@host/topic?password_file=FILE&ca_file=FILE``,
            ``zenoh:key``, ``zenoh://host:7447/key``.

    Raises:
        UsageError: no such form or option.
        MissingError: the library is not installed.
        DataError: a file cannot be read.
    """
    require_address(address)
    place, _, query = address.partition("?")
    module, name = PUBLISHERS[place.partition(":")[0]].split(":")
    publisher: Callable[..., Publisher] = getattr(import_module(f"{__name__}.{module}"), name)
    known = sorted({*signature(publisher).parameters} - {"address"})
    options: dict[str, str | int] = {}
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option not in known or (option == "queue" and not value.isdecimal()):
            shown = redacted(f"?{option}={value}")[1:]
            raise UsageError(f"{redacted(place)}: the option {shown}", expected=f"some of {', '.join(known)}")
        options[option] = int(value) if option == "queue" else value
    return publisher(place, **options)
