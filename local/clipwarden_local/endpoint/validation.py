"""Checks of parameters against the service's own published model, as the service itself makes them.

botocore checks types, required members and least lengths before it sends; everything else arrives here.
"""

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from clipwarden_local.endpoint.protocol import ServiceError

_TYPES: dict[str, type | tuple[type, ...]] = {
    "structure": dict,
    "string": str,
    "float": (int, float),
    "integer": int,
}


@cache
def input_shapes(*operations: str) -> dict[str, Shape]:
    """Return the shapes of the operations' parameters, from Rekognition's model as botocore ships it."""
    model = ServiceModel(Loader().load_service_model("rekognition", "service-2"), "rekognition")
    shapes = {name: model.operation_model(name).input_shape for name in operations}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def validate(shape: Shape, parameters: Mapping[str, Any]) -> None:
    """Raise a ServiceError that names every parameter out of bounds; unknown ones are passed over, as AWS does."""
    complaints = list(_complaints(shape, parameters, ""))
    if complaints:
        noun = "error" if len(complaints) == 1 else "errors"
        raise ServiceError(
            "ValidationException", f"{len(complaints)} validation {noun} detected: {'; '.join(complaints)}"
        )


def _complaints(shape: Shape, value: Any, where: str) -> Iterator[str]:
    expected = _TYPES.get(shape.type_name)
    if expected is not None and (isinstance(value, bool) or not isinstance(value, expected)):
        raise ServiceError("SerializationException", f"{where or 'The body'} is not of the type {shape.type_name}.")
    if shape.type_name == "structure":
        yield from _members(shape, value, where)
    elif shape.type_name == "string":
        yield from (_complaint(value, where, rule) for rule in _broken_by_text(shape, value))
    elif shape.type_name in ("float", "integer"):
        yield from (_complaint(value, where, rule) for rule in _broken_by_number(shape, value))


def _members(shape: Any, value: Mapping[str, Any], where: str) -> Iterator[str]:
    for name, member in shape.members.items():
        place = f"{where}.{_lowered(name)}" if where else _lowered(name)
        if value.get(name) is not None:
            yield from _complaints(member, value[name], place)
        elif name in shape.required_members:
            yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"


def _complaint(value: object, where: str, rule: str) -> str:
    return f"Value '{value}' at '{where}' failed to satisfy constraint: Member must {rule}"


def _broken_by_text(shape: Any, value: str) -> Iterator[str]:
    bounds = shape.metadata
    if len(value) < bounds.get("min", 0):
        yield f"have length greater than or equal to {bounds['min']}"
    if len(value) > bounds.get("max", math.inf):
        yield f"have length less than or equal to {bounds['max']}"
    if "pattern" in bounds and not _compiled(bounds["pattern"]).fullmatch(value):
        yield f"satisfy regular expression pattern: {bounds['pattern']}"
    if shape.enum and value not in shape.enum:
        yield f"satisfy enum value set: [{', '.join(shape.enum)}]"


def _broken_by_number(shape: Shape, value: float) -> Iterator[str]:
    # Written so that NaN, which is not below any bound, is refused too.
    if not value >= shape.metadata.get("min", -math.inf):
        yield f"have value greater than or equal to {shape.metadata['min']}"
    if not value <= shape.metadata.get("max", math.inf):
        yield f"have value less than or equal to {shape.metadata['max']}"


def _lowered(name: str) -> str:
    return name[:1].lower() + name[1:]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
