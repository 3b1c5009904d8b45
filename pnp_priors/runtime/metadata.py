"""The metadata of an ONNX file, read without opening the model: a folder of them is looked through.

A model is a protocol buffer (``onnx.proto``, ModelProto); its field 14, ``metadata_props``, has one
message for each entry, with the key as field 1 and the value as field 2. All others are skipped.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pnp_priors.errors import InputError

_METADATA, _KEY, _VALUE = 14, 1, 2
#: wire types of protocol buffers
_VARINT, _EIGHT_BYTES, _MESSAGE, _FOUR_BYTES = 0, 1, 2, 5


def metadata_of(path: Path) -> dict[str, str]:
    """Keys and values that a model's file has of itself.

    :raises OSError: it cannot be read.
    :raises InputError: it is no model, or one that breaks off.
    """
    found = {}
    try:
        with path.open("rb") as file:
            for content in _messages(file, path.stat().st_size, _METADATA):
                entry = BytesIO(content)
                (key,) = _messages(entry, len(content), _KEY)
                entry.seek(0)
                (value,) = [*_messages(entry, len(content), _VALUE), b""][:1]
                found[key.decode()] = value.decode()
    except ValueError as error:
        raise InputError(f"{path.name}: not an ONNX model, or a damaged one") from error
    return found


def _messages(file: BinaryIO, size: int, wanted: int) -> list[bytes]:
    """The contents of all fields of a number, among those of a message of ``size`` bytes."""
    found = []
    while file.tell() < size:
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _varint(file)
        elif kind == _MESSAGE:
            length = _varint(file)
            if file.tell() + length > size:
                raise ValueError("breaks off")
            if number == wanted:
                found.append(file.read(length))
            else:
                file.seek(length, os.SEEK_CUR)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            file.seek(8 if kind == _EIGHT_BYTES else 4, os.SEEK_CUR)
        else:
            raise ValueError("no such wire type")
    return found


def _varint(file: BinaryIO) -> int:
    """A number in groups of seven bits, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("breaks off")
