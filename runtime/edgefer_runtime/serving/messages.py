"""The protocol's messages, made from ``inference.proto`` when they are first asked for.

Code that ``protoc`` generates works with the protobuf of its own day and refuses others, and its messages
share one table with those of every other package: a Triton client in the same process would clash with
them. The table here is our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (  # type: ignore[import-untyped]
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

PROTO = Path(__file__).with_name("inference.proto")

_SCALARS = ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")
_TOKEN = re.compile(r"//[^\n]*|\s+|(\w+|[^\w\s])")
_TYPE = re.compile(r"[A-Z]\w*")


@dataclass(frozen=True)
class Rpc:
    """A call of the service: the classes of what it takes and gives, and whether both are streams."""

    request: Any
    response: Any
    streams: bool


@cache
def service() -> tuple[str, Mapping[str, Rpc]]:
    """The service's full name, and its calls by name."""
    file = FileDescriptorProto(name=PROTO.name, syntax="proto3")
    _Reader(PROTO.read_text(encoding="utf-8"), file).read()
    pool = DescriptorPool()
    pool.Add(file)
    described = pool.FindServiceByName(f"{file.package}.{file.service[0].name}")
    calls = {
        method.name: Rpc(
            GetMessageClass(method.input_type), GetMessageClass(method.output_type), method.server_streaming
        )
        for method in described.methods
    }
    return described.full_name, calls


class _Reader:
    """Reads what ``inference.proto`` uses of the language: one service, messages, enums, oneofs, maps."""

    def __init__(self, text: str, file: FileDescriptorProto) -> None:
        self._tokens: Iterator[str] = (match[1] for match in _TOKEN.finditer(text) if match[1])
        self._file = file

    def read(self) -> None:
        """Fill the file's description."""
        for word in self._tokens:
            if word == "syntax":
                self._until(";")
            elif word == "package":
                self._file.package, *_ = self._until(";")
            elif word == "message":
                self._message(self._file.message_type.add())
            elif word == "enum":
                self._enum(self._file.enum_type.add())
            else:
                self._service(self._file.service.add())

    def _service(self, service: ServiceDescriptorProto) -> None:
        service.name = self._next()
        self._open()
        while self._next() == "rpc":
            words = self._until(";")
            types = [word for word in words[1:] if _TYPE.fullmatch(word)]
            service.method.add(
                name=words[0],
                input_type=self._full(types[0]),
                output_type=self._full(types[1]),
                client_streaming="stream" in words,
                server_streaming="stream" in words,
            )

    def _message(self, message: DescriptorProto) -> None:
        message.name = self._next()
        self._open()
        while (word := self._next()) != "}":
            if word == "message":
                self._message(message.nested_type.add())
            elif word == "enum":
                self._enum(message.enum_type.add())
            elif word == "oneof":
                message.oneof_decl.add(name=self._next())
                self._open()
                while (word := self._next()) != "}":
                    self._field(message, word).oneof_index = len(message.oneof_decl) - 1
            elif word == "map":
                self._map(message)
            else:
                self._field(message, word)

    def _field(self, message: DescriptorProto, word: str) -> FieldDescriptorProto:
        repeated = word == "repeated"
        kind = self._next() if repeated else word
        field = message.field.add(name=self._next(), number=self._number())
        field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        self._set_type(field, kind)
        return field

    def _map(self, message: DescriptorProto) -> None:
        _, key, _, value, _ = (self._next() for _ in range(5))
        name = self._next()
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        for number, (part, kind) in enumerate({"key": key, "value": value}.items(), start=1):
            field = entry.field.add(name=part, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            self._set_type(field, kind)
        field = message.field.add(name=name, number=self._number())
        field.label = field.LABEL_REPEATED
        field.type_name = entry.name

    def _enum(self, enum: EnumDescriptorProto) -> None:
        enum.name = self._next()
        self._open()
        while (word := self._next()) != "}":
            enum.value.add(name=word, number=self._number())

    def _set_type(self, field: FieldDescriptorProto, kind: str) -> None:
        if kind in _SCALARS:
            field.type = getattr(field, f"TYPE_{kind.upper()}")
        else:
            field.type_name = kind  # a message or an enum: the pool finds out which, and where it is

    def _full(self, name: str) -> str:
        return f".{self._file.package}.{name}"

    def _number(self) -> int:
        _, number, _ = (self._next() for _ in range(3))
        return int(number)

    def _next(self) -> str:
        return next(self._tokens)

    def _open(self) -> None:
        self._until("{")

    def _until(self, end: str) -> list[str]:
        words = []
        while (word := self._next()) != end:
            words.append(word)
        return words
