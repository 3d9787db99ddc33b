"""What an answer's fields may hold, and how a document becomes an answer.

A field that holds something else than it should becomes null: nobody knows it. Fields that we do
not name pass through: other processes may tell more tomorrow.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WrapValidator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler

from services.dashboard.tolerant import decimal_or_none
from shared.models.health import Phase, Status


def _or_unknown(value: Any, read: ModelWrapValidatorHandler[Any]) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


OR_UNKNOWN = WrapValidator(_or_unknown)
Text = Annotated[str | None, OR_UNKNOWN]


def _plain(value: object) -> object:
    """Decimal text with an exponent is written out."""
    number = decimal_or_none(value) if isinstance(value, str) and "E" in value.upper() else None
    return value if number is None else f"{number:f}"


_DECIMAL = Field(pattern=r"^-?\d+(\.\d+)?$", description="A decimal number as text.")
Amount = Annotated[Annotated[str, _DECIMAL] | None, BeforeValidator(_plain), OR_UNKNOWN]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, OR_UNKNOWN]
Count = Annotated[int | None, OR_UNKNOWN]
Flag = Annotated[bool | None, OR_UNKNOWN]
_UTC = Field(json_schema_extra={"format": "date-time"}, description="UTC.")
Moment = Annotated[Annotated[str, _UTC] | None, OR_UNKNOWN]
Names = Annotated[list[dict[str, Any]] | None, OR_UNKNOWN]
ServiceStatus = Annotated[Annotated[Status, Strict(False)] | None, OR_UNKNOWN]
ServicePhase = Annotated[Annotated[Phase, Strict(False)] | None, OR_UNKNOWN]


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)


def shaped(shape: type[Shape], document: dict[str, Any]) -> bytes:
    """Return the document as JSON in that shape; fields that were not given are left out."""
    whole = shape.model_validate(document)
    return whole.model_dump_json(by_alias=True, exclude_unset=True).encode()
