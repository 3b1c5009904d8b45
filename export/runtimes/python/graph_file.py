"""What every Python consumer of an exported file needs; numpy, and Pillow for pictures.

The file explains itself: its passport says what goes in, and reference cases lie beside it.
`main` is the whole command line around an `Engine`, a class that is made of the file's path; any
exception then means that it cannot be opened.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]
Passport = dict[str, str]


class Engine(Protocol):
    """What runs a graph.

    inputs: number of dimensions of each input; name: what ran, for the report.
    """

    inputs: dict[str, int]
    name: str

    def run(self, feeds: Arrays) -> np.ndarray:
        """The output `restored`."""


class RefusedError(Exception):
    """Something that cannot be used; the one line says what and what is allowed."""


def metadata(data: bytes) -> dict[str, str]:
    """The string properties of a serialised ONNX ModelProto: field 14, entries of key and value.

    Only the outermost fields are walked, so the graph is skipped in one step.
    """

    def varint(at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 64:
            byte = data[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at
        raise RefusedError("not an ONNX file, or cut off")

    def fields(at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        while at < end:
            tag, at = varint(at, end)
            number, wire = tag >> 3, tag & 7
            if wire == 0:
                _, after = varint(at, end)
            elif wire == 2:
                size, at = varint(at, end)
                after = at + size
            elif wire in (1, 5):
                after = at + (8 if wire == 1 else 4)
            else:
                raise RefusedError("not an ONNX file, or cut off")
            if number == 0 or after > end:
                raise RefusedError("not an ONNX file, or cut off")
            yield number, wire, at, after
            at = after

    found = {}
    for number, wire, start, end in fields(0, len(data)):
        if (number, wire) == (14, 2):
            entry = {n: data[a:b].decode() for n, w, a, b in fields(start, end) if w == 2}
            found[entry.get(1, "")] = entry.get(2, "")
    return found


def read_passport(data: bytes) -> Passport:
    try:
        passport = metadata(data)
    except UnicodeDecodeError:
        raise RefusedError("not an ONNX file, or cut off") from None
    if passport.get("passport") != "1":
        raise RefusedError(
            "no passport in this file (metadata property passport=1); export it anew"
        )
    for key in ("channels", "sigma_range", "tolerance"):
        if key not in passport:
            raise RefusedError(f"passport without {key}")
    ends = parsed(passport["sigma_range"] or "[0, 1]")  # empty: any
    if not (
        isinstance(ends, list)
        and len(ends) == 2
        and all(map(is_number, ends))
        and ends[0] <= ends[1]
    ):
        raise RefusedError(f"passport: sigma_range {passport['sigma_range']} is no range")
    tolerance = parsed(passport["tolerance"])
    if not is_number(tolerance) or tolerance < 0:
        raise RefusedError(f"passport: tolerance {passport['tolerance']} is no tolerance")
    return passport


def parsed(text: str) -> Any:
    """JSON; ``None`` for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_number(value: object) -> bool:
    """Finite, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max  # whole numbers of any length, too


def read_safetensors(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a .safetensors file: 8 bytes of header size, JSON, then raw data."""
    kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}
    try:
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        extra = header.pop("__metadata__", {})
        tensors = {}
        for name, about in header.items():
            start, end = (8 + size + offset for offset in about["data_offsets"])
            array = np.frombuffer(
                data[start:end], np.dtype(kinds[about["dtype"]]).newbyteorder("<")
            )
            tensors[name] = array.reshape(about["shape"]).astype(kinds[about["dtype"]])
    except FileNotFoundError:
        raise RefusedError(f"{path}: no such file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{path}: not a safetensors file, or cut off ({error})") from None
    return tensors, extra


def check_feeds(feeds: Arrays, inputs: dict[str, int], passport: Passport) -> None:
    """Refuse what the graph was not made for, before it runs.

    :param inputs: number of dimensions by input name.
    """
    if feeds.keys() != inputs.keys():
        raise RefusedError(f"inputs {sorted(feeds)}; the graph takes {sorted(inputs)}")
    for name, value in feeds.items():
        if value.ndim != inputs[name] or 0 in value.shape:
            raise RefusedError(
                f"{name} is of shape {value.shape}; {inputs[name]} dimensions are needed"
            )
        if not np.isfinite(value).all():
            raise RefusedError(f"{name} holds NaN or infinity")
    channels = feeds["x"].shape[1]
    if passport["channels"] not in ("any", str(channels)):
        raise RefusedError(f"x has {channels} channels; this file takes {passport['channels']}")


def check_sigma(sigma: float, passport: Passport) -> None:
    """Refuse a noise level (in [0, 1] units) that the file was not trained for."""
    if not np.isfinite(sigma):
        raise RefusedError("sigma nan or infinite")
    if not passport["sigma_range"]:
        return
    low, high = json.loads(passport["sigma_range"])
    if not low - 1e-6 <= sigma <= high + 1e-6:  # slack for ends rounded to float32
        raise RefusedError(
            f"sigma {255 * sigma:g} of 255 is outside this file's range, "
            f"{255 * low:g} to {255 * high:g}"
        )


def run(engine: Engine, feeds: Arrays, passport: Passport) -> np.ndarray:
    check_feeds(feeds, engine.inputs, passport)
    try:
        restored = engine.run(feeds)
    except Exception as error:
        raise RefusedError(f"{engine.name}: {first_line(error)}") from error
    if not np.isfinite(restored).all():
        raise RefusedError("the result holds NaN or infinity")
    return restored


def compare(engine: Engine, model: Path, data: bytes, passport: Passport) -> float:
    """Largest difference to the outputs stored beside the file."""
    path = model.with_suffix(".reference.safetensors")
    tensors, extra = read_safetensors(path)
    if extra.get("model_sha256", "") not in ("", hashlib.sha256(data).hexdigest()):
        raise RefusedError(f"{path}: belongs to another file than {model}")
    largest = 0.0
    cases = sorted({name.split("/")[0] for name in tensors})
    if not cases:
        raise RefusedError(f"{path}: holds no case")
    for case in cases:
        values = {n.split("/", 1)[1]: t for n, t in tensors.items() if n.startswith(case + "/")}
        if "restored" not in values:
            raise RefusedError(f"{path}: case {case} has no output")
        stored = values.pop("restored")
        restored = run(engine, values, passport)
        if restored.shape != stored.shape:
            raise RefusedError(f"case {case}: shape {restored.shape}, stored {stored.shape}")
        largest = max(largest, float(np.abs(restored - stored).max()))
    return largest


def read_picture(path: Path, channels: str) -> np.ndarray:
    """``[1, C, H, W]`` in [0, 1] of an 8-bit picture; its opacity is dropped."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            gray = channels == "1" or (channels != "3" and picture.mode in ("1", "L", "LA"))
            pixels = np.asarray(picture.convert("L" if gray else "RGB"))
    except OSError as error:
        raise RefusedError(f"{path}: {first_line(error)}") from None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def write_picture(path: Path, image: np.ndarray) -> None:
    from PIL import Image

    pixels = np.round(255 * np.clip(image[0], 0, 1)).astype(np.uint8)
    pixels = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    try:
        Image.fromarray(pixels).save(path)
    except (OSError, ValueError) as error:
        raise RefusedError(f"{path}: {first_line(error)}") from None


def extra_input(setting: str, inputs: dict[str, int]) -> tuple[str, np.ndarray]:
    """``NAME=FILE`` (rows of numbers) or ``NAME=NUMBER`` for inputs besides picture and noise."""
    name, _, value = setting.partition("=")
    if name not in inputs:
        raise RefusedError(f"--with {setting}: the graph takes {sorted(inputs)}")
    if inputs[name] == 0:
        if not re.fullmatch("[0-9]{1,9}", value):
            raise RefusedError(f"--with {setting}: no whole number of up to nine digits")
        return name, np.array(int(value), np.int64)
    try:
        rows = rows_of_numbers(Path(value))
        return name, tables(rows) if inputs[name] == 3 else rows
    except (OSError, ValueError) as error:
        raise RefusedError(f"--with {setting}: {first_line(error)}") from None


def rows_of_numbers(path: Path) -> np.ndarray:
    """``[rows, columns]``, float32; empty lines are skipped.

    :raises ValueError: something else than numbers, or rows of different lengths.
    """
    words = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if len({len(row) for row in words}) != 1:
        raise ValueError("rows of different lengths" if words else "no numbers")
    with np.errstate(over="ignore"):  # what is too large is infinite, and refused
        rows = np.array([[float(word) for word in row] for row in words]).astype(np.float32)
    if not np.isfinite(rows).all():
        raise ValueError("holds NaN or infinity")
    return rows


def tables(rows: np.ndarray) -> np.ndarray:
    """8×8 tables that were written below each other, ``[count, 8, 8]``."""
    if len(rows) % 8 or rows.shape[1] != 8:
        size = f"{len(rows)} x {rows.shape[1]}"
        raise ValueError(f"{size} numbers are no tables, which have 8 rows of 8 each")
    return rows.reshape(-1, 8, 8)


def restore(engine: Engine, arguments: argparse.Namespace, passport: Passport) -> None:
    # a JPEG file's luminance table is for its luminance
    channels = "1" if "table" in engine.inputs else passport["channels"]
    x = read_picture(arguments.input, channels)
    feeds = {"x": x, **dict(extra_input(each, engine.inputs) for each in arguments.extra)}
    level = next((name for name in ("sigma", "noise") if name in engine.inputs), None)
    if level:
        if arguments.sigma is None:
            raise RefusedError("this file needs a noise level: --sigma, in units of 0..255")
        check_sigma(arguments.sigma / 255, passport)
        feeds[level] = np.full(1, arguments.sigma / 255, np.float32)
        if engine.inputs[level] == 4:
            feeds[level] = np.broadcast_to(feeds[level], (1, 1, *x.shape[2:])).copy()
    elif arguments.sigma is not None:
        raise RefusedError("this file is blind: it takes no --sigma")
    begin = time.perf_counter()
    restored = run(engine, feeds, passport)
    took = time.perf_counter() - begin
    write_picture(arguments.output, restored)
    height, width = restored.shape[2:]
    print(f"{arguments.output}: {width} x {height} in {took:.2f} s by {engine.name}")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for everything else that cannot be used."""
        usage = " ".join(self.format_usage().split())
        print(f"error: {first_line(ValueError(message))}; {usage}", file=sys.stderr)
        sys.exit(2)


def main(engine_class: Callable[[Path], Engine]) -> int:
    parser = Parser(description="Restores a picture with an exported file.")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("input", nargs="?", type=Path, help="picture to restore")
    parser.add_argument("output", nargs="?", type=Path, help="where to write it")
    parser.add_argument("--check", action="store_true", help="compare with the stored reference")
    parser.add_argument("--sigma", type=float, help="noise level in units of 0..255")
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    if not arguments.check and arguments.output is None:
        parser.error("either --check, or a picture to read and one to write")
    try:
        data = arguments.model.read_bytes()
        passport = read_passport(data)
        try:
            engine = engine_class(arguments.model)
        except Exception as error:
            raise RefusedError(f"cannot be opened: {first_line(error)}") from error
        if arguments.check:
            largest, allowed = (
                compare(engine, arguments.model, data, passport),
                passport["tolerance"],
            )
            print(f"largest difference to the stored reference: {largest:.1e} (allowed {allowed})")
            return 0 if largest <= float(allowed) else 1
        restore(engine, arguments, passport)
    except (RefusedError, OSError) as error:
        print(f"error: {arguments.model}: {first_line(error)}", file=sys.stderr)
        return 2
    return 0


def first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
