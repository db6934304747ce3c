"""What a simulated model does wrong, as data, and the exception that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from moa_graph.description import Description, Seconds
from moa_graph.models.simulation.draws import Draws

__all__ = [
    "BrokenStreamFault",
    "EmptyFault",
    "Fault",
    "GarbledFault",
    "HangFault",
    "LengthFault",
    "MalformedFault",
    "NoEndFault",
    "RefusalFault",
    "ResetFault",
    "RoleFault",
    "SimulatedFault",
    "SlowFault",
    "StatusFault",
    "UnsupportedParameterFault",
    "UsageFault",
    "WordsFault",
]


class _AnyFault(Description):
    first: int | None = Field(default=None, ge=1, description="Strikes only the first so many requests.")
    probability: float = Field(default=1.0, ge=0, le=1, description="Share of those requests that it strikes.")

    def strikes(self, seed: int, number: int) -> bool:
        """Whether request ``number``, counted from 1, meets this fault."""
        if self.first is not None and number > self.first:
            return False
        return self.probability == 1 or Draws(seed).uniform("fault", repr(self), number) < self.probability


class StatusFault(_AnyFault):
    """The server answers with an HTTP status and an error body as OpenAI writes them."""

    kind: Literal["status"] = "status"
    status: int = Field(ge=400, le=599)
    retry_after: Seconds | None = Field(default=None, description="Seconds in the Retry-After header.")
    message: str | None = Field(default=None, description="Default: what OpenAI says with this status.")
    code: str | None = Field(default=None, description="The error's code; default: OpenAI's for this status.")
    param: str | None = None


class UnsupportedParameterFault(_AnyFault):
    """Requests that set a parameter are refused, as reasoning models refuse ``temperature``."""

    kind: Literal["unsupported_parameter"] = "unsupported_parameter"
    param: str = "temperature"


class ResetFault(_AnyFault):
    """The connection is reset before a byte of the answer."""

    kind: Literal["reset"] = "reset"


class HangFault(_AnyFault):
    """The connection stays open and no byte ever comes."""

    kind: Literal["hang"] = "hang"


class BrokenStreamFault(_AnyFault):
    """The answer stops part of the way and the connection closes."""

    kind: Literal["broken_stream"] = "broken_stream"
    after: float = Field(default=0.5, ge=0, lt=1, description="Share of the answer that is sent.")


class EmptyFault(_AnyFault):
    """The answer is well formed and says nothing."""

    kind: Literal["empty"] = "empty"


class MalformedFault(_AnyFault):
    """The answer's body is no JSON."""

    kind: Literal["malformed"] = "malformed"


class RefusalFault(_AnyFault):
    """The model declines in the message's ``refusal`` field."""

    kind: Literal["refusal"] = "refusal"


class LengthFault(_AnyFault):
    """The answer is cut short with ``finish_reason: length``."""

    kind: Literal["length"] = "length"


class SlowFault(_AnyFault):
    """Everything takes ``factor`` times as long."""

    kind: Literal["slow"] = "slow"
    factor: float = Field(default=10.0, gt=0)


class WordsFault(_AnyFault):
    """The model says something else than its answer, such as half an object or 50,000 brackets."""

    kind: Literal["words"] = "words"
    text: str = Field(description="What it says.")
    times: int = Field(default=1, ge=0, le=1_000_000, description="How often it says it.")


class UsageFault(_AnyFault):
    """The server tells other counts of tokens than it bills: none, negative ones, texts. In process it tells none."""

    kind: Literal["usage"] = "usage"
    tells: Any = Field(default=None, description="What stands in the place of `usage`; null leaves it out.")


class RoleFault(_AnyFault):
    """The answer's message bears another role than the assistant's. In process there is no role to be wrong."""

    kind: Literal["role"] = "role"
    role: str = "user"


class NoEndFault(_AnyFault):
    """No ``finish_reason``: a stream just ends in ``[DONE]``. In process there is no such end to be missing."""

    kind: Literal["no_end"] = "no_end"


class GarbledFault(_AnyFault):
    """What comes back isn't HTTP."""

    kind: Literal["garbled"] = "garbled"


Fault = Annotated[
    StatusFault
    | UnsupportedParameterFault
    | ResetFault
    | HangFault
    | BrokenStreamFault
    | EmptyFault
    | MalformedFault
    | RefusalFault
    | LengthFault
    | SlowFault
    | WordsFault
    | UsageFault
    | RoleFault
    | NoEndFault
    | GarbledFault,
    Field(discriminator="kind"),
]


@dataclass(frozen=True)
class FaultResponse:
    """As much of an HTTP response as those who handle SDK errors look at."""

    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


class SimulatedFault(Exception):
    """An error answer of a simulated model, with the attributes of the SDKs' status errors.

    Args:
        status_code: The HTTP status.
        message: The provider's words.
        code, param, error_type: The further fields of OpenAI's error body.
        retry_after: Seconds that the ``Retry-After`` header asks to wait.
    """

    def __init__(
        self,
        status_code: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        error_type: str = "invalid_request_error",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"Error code: {status_code} - {message}")
        self.status_code = status_code
        self.code = code
        self.param = param
        self.body: dict[str, Any] = {"message": message, "type": error_type, "param": param, "code": code}
        self.retry_after = retry_after
        headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        self.response = FaultResponse(status_code, headers)

    @classmethod
    def of(cls, fault: StatusFault, model: str) -> SimulatedFault:
        """The error answer that ``fault`` of ``model`` stands for."""
        error_type, code, message = _STATUS_WORDS.get(fault.status, _OTHER_STATUS)
        return cls(
            fault.status,
            fault.message or message.format(model=model),
            code=fault.code or code,
            param=fault.param,
            error_type=error_type,
            retry_after=fault.retry_after,
        )


_BUSY = "The engine is currently overloaded, please try again later."
_BROKEN = "The server had an error while processing your request. Sorry about that!"
_OTHER_STATUS = ("api_error", None, "The simulated model {model} answers with this status.")
_STATUS_WORDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "The request to {model} was malformed."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("permission_error", None, "You are not allowed to sample from {model}."),
    404: ("invalid_request_error", "model_not_found", "The model `{model}` does not exist."),
    422: ("invalid_request_error", None, "The request to {model} can't be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for {model} on requests per min."),
    500: ("server_error", None, _BROKEN),
    502: ("server_error", None, _BROKEN),
    503: ("server_error", None, _BUSY),
    504: ("server_error", None, _BUSY),
}
