"""Our operator in each way it can run: plain PyTorch, the same compiled, with our kernels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch._inductor
from torch import Tensor, nn

from benchmarks.speed.case import Operator, Problem
from benchmarks.speed.reference import kernels_run_on, reference_only

__all__ = ["VARIANTS", "Variant", "forward_backward", "tensors_of", "variants_on"]


@dataclass(frozen=True)
class Variant:
    """One way to run an operator.

    Attributes:
        name: as printed, and as ``--variant`` selects it.
        within: the state of the library in which it runs.
        wrap: what is done to the operator first.
        wrap_checked: the same for the check, where it must draw what plain PyTorch draws from one seed.
    """

    name: str
    within: Callable[[], AbstractContextManager[None]]
    wrap: Callable[[Operator], Operator]
    wrap_checked: Callable[[Operator], Operator]

    def operator(self, problem: Problem, device: torch.device) -> Operator:
        """The operator that is timed."""
        return self._made(self.wrap, problem.case.build, problem, device)

    def checked(self, problem: Problem, device: torch.device) -> Operator:
        """The operator whose result is looked at: without noise, and the same at every call from one seed."""
        return self._made(self.wrap_checked, problem.case.repeatable or problem.case.build, problem, device)

    def _made(
        self,
        wrap: Callable[[Operator], Operator],
        build: Callable[[], Operator],
        problem: Problem,
        device: torch.device,
    ) -> Operator:
        made = build()
        if isinstance(made, nn.Module):
            made = made.to(device)
        inner = wrap(made)
        called = forward_backward(inner) if problem.backward else inner

        def operator(*inputs: Tensor) -> Any:
            with self.within():
                return called(*inputs)

        return operator


def _as_it_is(operator: Operator) -> Operator:
    return operator


# On a GPU the compiler's quotients are approximate unless it is told otherwise, and a detector that cuts quotients to
# bytes then finds another map. The option has had several names.
_EXACT_DIVISION: dict[str, Any] = {
    name: True for name in torch._inductor.list_options() if name.endswith("division_rounding")
}


def _compiled(operator: Operator) -> Operator:
    torch.compiler.reset()  # graphs of other problems would count towards the limit of recompilations
    compiled: Operator = torch.compile(operator, fullgraph=True, dynamic=False, options=_EXACT_DIVISION)
    return compiled


def _compiled_to_draw_alike(operator: Operator) -> Operator:
    options: dict[str, Any] = {**_EXACT_DIVISION, "fallback_random": True}
    compiled: Operator = torch.compile(operator, fullgraph=True, dynamic=False, options=options)
    return compiled


EAGER = Variant("eager", reference_only, _as_it_is, _as_it_is)
COMPILED = Variant("compiled", reference_only, _compiled, _compiled_to_draw_alike)
KERNEL = Variant("kernel", nullcontext, _as_it_is, _as_it_is)
VARIANTS = (EAGER, COMPILED, KERNEL)


def variants_on(device: torch.device) -> tuple[Variant, ...]:
    """Those that are something of their own on a device."""
    return VARIANTS if kernels_run_on(device) else (EAGER, COMPILED)


def forward_backward(operator: Operator) -> Operator:
    """The operator and the gradients of all its floating-point inputs; the last argument is the result's gradient."""

    def call(*inputs: Tensor) -> tuple[Tensor, ...]:
        *arguments, gradient = inputs
        leaves = [x.detach().requires_grad_(x.is_floating_point()) for x in arguments]
        (result, *_) = tensors_of(operator(*leaves))
        wanted = [x for x in leaves if x.requires_grad]
        return result.detach(), *torch.autograd.grad(result, wanted, gradient)

    return call


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors in what an operator returns."""
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors_of(part)] if isinstance(result, tuple | list) else []
