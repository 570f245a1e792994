"""Where code can be changed so that it means something else, and to what."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OTHER_NAMES = {"min": "max", "amin": "amax", "minimum": "maximum", "argmin": "argmax", "floor": "ceil"}
OTHER_NAMES |= {other: name for name, other in OTHER_NAMES.items()}


class Site(NamedTuple):
    """A change: what stands in a field of a node, and what would."""

    line: int
    old: ast.AST
    new: ast.AST
    put: Callable[[ast.AST], None]

    def make(self) -> None:
        """Change the tree."""
        self.put(self.new)


def sites(tree: ast.Module) -> list[Site]:
    """Every change that can be made in a module, in the order of its code."""
    return sorted(_of(tree, False), key=lambda site: site.line)


def _of(node: ast.AST, inside: bool) -> Iterator[Site]:
    inside = inside or isinstance(node, ast.FunctionDef | ast.Lambda)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_left_alone(child):
                continue
            if inside or not isinstance(child, ast.BinOp) or not isinstance(child.op, ast.BitOr):  # unions of types
                for new in _others(child):
                    yield Site(_line(child, node), child, new, _putter(node, field, place))
            yield from _of(child, inside)


def _line(node: ast.AST, parent: ast.AST) -> int:
    line: int = getattr(node, "lineno", getattr(parent, "lineno", 0))
    return line


def _putter(node: ast.AST, field: str, place: int | None) -> Callable[[ast.AST], None]:
    def put(new: ast.AST) -> None:
        if place is None:
            setattr(node, field, new)
        else:
            getattr(node, field)[place] = new

    return put


def _is_left_alone(node: ast.AST) -> bool:
    """Errors and the checks that raise them, which the fuzzer is for; texts; imports; lists of names."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.If) and len(node.body) == 1 and isinstance(node.body[0], ast.Raise):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _name(node.value.func).lstrip("_").startswith(("check", "require"))
    return isinstance(node, ast.Assign) and any(_name(target) == "__all__" for target in node.targets)


def _others(node: ast.AST) -> list[ast.AST]:
    """What may stand in a node's place."""
    others: list[ast.AST] = []
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in OPERATORS:
        others.append(_with(node, op=OPERATORS[type(node.op)]()))
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
        others.append(_with(node, ops=[OPERATORS[type(node.ops[0])]()]))
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.UAdd):
        others.append(node.operand)
    elif isinstance(node, ast.Constant):
        others += [ast.copy_location(ast.Constant(value), node) for value in _values(node.value)]
    elif isinstance(node, ast.Attribute) and node.attr in OTHER_NAMES:
        others.append(_with(node, attr=OTHER_NAMES[node.attr]))
    elif isinstance(node, ast.Name) and node.id in OTHER_NAMES:
        others.append(_with(node, id=OTHER_NAMES[node.id]))
    elif isinstance(node, ast.IfExp):
        others.append(_with(node, body=node.orelse, orelse=node.body))
    elif isinstance(node, ast.Call):
        others += _calls(node)
    return others


def _values(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    return [value * 2 if value else 1.0] if isinstance(value, float) else []


def _calls(node: ast.Call) -> list[ast.AST]:
    """A limit that is taken away; the first two arguments exchanged."""
    limits = isinstance(node.func, ast.Attribute) and node.func.attr in ("clamp", "clamp_min", "clamp_max", "detach")
    others: list[ast.AST] = [node.func.value] if limits and isinstance(node.func, ast.Attribute) else []
    first = node.args[:2]
    if len(first) == 2 and all(isinstance(argument, ast.Name | ast.Attribute) for argument in first):
        others.append(_with(node, args=[*reversed(first), *node.args[2:]]))
    return others


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """The node with other fields."""
    new = type(node)(**{**dict(ast.iter_fields(node)), **fields})
    return ast.copy_location(new, node)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
