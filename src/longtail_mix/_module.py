"""``nn.Module`` whose call has the types of its ``forward``.

To the interpreter it is ``nn.Module`` itself. A type checker, to which every ``nn.Module.__call__`` is ``Any``, reads
that a module is called as its ``forward`` is, with names and defaults, and returns what that returns. So each class
says it once, and a subclass with another ``forward`` is right without a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)

    class _HasForward(Protocol[P, R_co]):
        @property
        def forward(self) -> Callable[P, R_co]: ...

    class Module(nn.Module):
        def __call__(self: _HasForward[P, R_co], *args: P.args, **kwargs: P.kwargs) -> R_co:
            """As ``forward``."""
            raise NotImplementedError
else:
    Module = nn.Module
