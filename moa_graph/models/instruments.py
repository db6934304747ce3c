"""Whether anybody watches a package's calls: such tools wrap its methods, and shortcuts past those would blind them."""

from __future__ import annotations

import os
from types import FunctionType, ModuleType

__all__ = ["is_wrapped"]


def is_wrapped(method: object, package: ModuleType) -> bool:
    """Whether ``method`` isn't any more what ``package`` itself has put there.

    Args:
        method: Taken from its class, not from an object.
        package: Where the class comes from. What its own decorators have made counts as the package's own.
    """
    return type(method) is not FunctionType or not method.__code__.co_filename.startswith(
        tuple(f"{folder}{os.sep}" for folder in package.__path__)
    )
