"""Errors as OpenAI's protocol tells them: an HTTP status, and an object with a message, a type, a param and a code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from moa_graph.errors import (
    BudgetTooSmall,
    InputError,
    MissingKey,
    MixtureError,
    MoaError,
    OptionsError,
    RunFailed,
    StoreMiss,
)
from moa_graph.secrets import redact

__all__ = ["ApiError", "as_api_error", "draining", "refused", "within"]

INVALID = "invalid_request_error"

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
}
"""HTTP status to the ``type`` of its errors; every other status means an invalid request."""

_OPTION = re.compile(r"^run-time options: (\w+)")


class ApiError(Exception):
    """A request ends with an error.

    Args:
        status: HTTP status.
        message: What is wrong and what to do, for a person.
        code: What is wrong, for a program.
        param: The request's field that is to blame, such as ``messages[0].content``.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def kind(self) -> str:
        """The protocol's name for this sort of error."""
        return KINDS.get(self.status, INVALID)

    def to_data(self) -> dict[str, Any]:
        """The error object."""
        return {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}

    def to_body(self) -> bytes:
        """The body of an answer that is this error."""
        return orjson.dumps({"error": self.to_data()})


def refused(param: str, message: str, code: str = "invalid_value") -> ApiError:
    """A field of the request that can't be taken as it is."""
    return ApiError(400, message, code=code, param=param)


def draining() -> ApiError:
    """The server ends, and takes on or goes on with nothing."""
    message = "The server is shutting down: try another one, or try again later."
    return ApiError(503, message, code="draining", headers={"retry-after": "5", "connection": "close"})


@contextmanager
def within(where: str) -> Iterator[None]:
    """Errors about the fields of a part are told with the part's place, such as ``input[0]``."""
    try:
        yield
    except ApiError as error:
        if error.param is None or error.param.startswith(where):
            raise
        place = f"{where}.{error.param}"
        message = error.message.replace(f"'{error.param}'", f"'{place}'")
        raise refused(place, message, error.code or "invalid_value") from None


def as_api_error(error: Exception) -> ApiError:
    """What a client is told of an error in a run.

    What the request asked for is the client's to mend (400); models that failed are the upstream's (502); a key that
    the server's environment lacks is its operator's (503). Anything else is a defect here, of which a client is told
    no more than that.
    """
    if isinstance(error, ApiError):
        return error
    message = redact(str(error))
    match error:
        case OptionsError():
            found = _OPTION.match(message)
            return ApiError(400, message, code="invalid_value", param=f"moa.{found[1]}" if found else "moa")
        case InputError():
            param = "response_format" if message.startswith("response_format") else "messages"
            return ApiError(400, message, code="invalid_value", param=param)
        case BudgetTooSmall():
            return ApiError(400, message, code="budget_too_small", param="moa")
        case MissingKey():
            return ApiError(503, message, code="missing_key", headers={"x-should-retry": "false"})
        case MixtureError():
            return ApiError(400, message, code="unsupported_by_mixture", param="model")
        case StoreMiss() | RunFailed():
            return ApiError(502, message, code="run_failed")
        case MoaError():
            return ApiError(500, message, code="internal_error")
    return ApiError(500, "The server failed while answering; see its log.", code="internal_error")
