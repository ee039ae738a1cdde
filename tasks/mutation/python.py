"""Changes of a Python program, made on its syntax tree."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from tasks.mutation.base import Change

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
# Their order of arguments, or their effect, says nothing of the answer.
_SYMMETRIC = {"min", "max", "gcd", "lcm", "hypot"}
_IDLE = {"setrecursionlimit", "set_int_max_str_digits", "flush"}


def changes(source: str) -> Iterator[Change]:
    """Every change of `source`, in the order of its syntax tree. Raises `SyntaxError`."""
    tree = ast.parse(source)
    original = ast.unparse(tree).splitlines()
    once = _assigned_once(tree)
    line = 0
    for node in _nodes(tree):
        line = getattr(node, "lineno", line)
        for new in list(_changed(node, once)):
            _replace(tree, node, new)
            text = ast.unparse(tree)
            _replace(tree, new, node)
            differing = zip(original, text.splitlines(), strict=False)
            old_line, new_line = next((pair for pair in differing if len(set(pair)) == 2), ("", ""))
            yield Change(line, old_line.strip(), new_line.strip(), text)


def normal(source: str) -> str:
    """The program as an unchanged tree writes it."""
    return ast.unparse(ast.parse(source))


def _nodes(tree: ast.AST) -> list[ast.AST]:
    """What may be changed: no imports, annotations, docstrings or calls that only set limits."""
    found: list[ast.AST] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_idle(node) or _is_guard(node):
            if isinstance(node, ast.If):
                for statement in node.body:
                    visit(statement)
            return
        found.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child)

    visit(tree)
    return found


def _is_idle(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Constant)):
        return False
    return isinstance(node.value, ast.Constant) or _called(node.value) in _IDLE


def _is_guard(node: ast.AST) -> bool:
    """`if __name__ == "__main__":`, whose condition is no part of the answer."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def _assigned_once(tree: ast.AST) -> set[str]:
    """Names whose only assignment nobody can take away without an error at once."""
    stored = Counter(
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    return {name for name, times in stored.items() if times == 1}


def _changed(node: ast.AST, once: set[str]) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for index, operator in enumerate(ops):
                for other in _COMPARISONS[type(operator)]:
                    new = [*ops[:index], other(), *ops[index + 1 :]]
                    yield ast.Compare(left, new, comparators)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.AugAssign(target=target, op=operator, value=value):
            if type(operator) in _ARITHMETIC:
                yield ast.AugAssign(target, _ARITHMETIC[type(operator)](), value)
            yield ast.Pass()
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Call(func=func, args=[first, second, *rest], keywords=keywords):
            starred = any(isinstance(one, ast.Starred) for one in (first, second))
            if not starred and _called(node) not in _SYMMETRIC:
                yield ast.Call(func, [second, first, *rest], keywords)
        case ast.If(test=test, body=body, orelse=orelse) if negated := _negated(test):
            yield ast.If(negated, body, orelse)
        case ast.While(test=test, body=body, orelse=orelse) if negated := _negated(test):
            yield ast.While(negated, body, orelse)
        case ast.IfExp(test=test, body=value, orelse=other):
            yield ast.IfExp(test, other, value)
        case ast.comprehension(target=target, iter=over, ifs=[_, *_] as ifs, is_async=is_async):
            yield ast.comprehension(target, over, ifs[1:], is_async)
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
            yield ast.Pass()
        case ast.Assign(targets=targets) if not _needed(targets, once):
            yield ast.Pass()
        case ast.Expr() | ast.Delete() | ast.Raise():
            yield ast.Pass()


def _negated(test: ast.expr) -> ast.expr | None:
    """`not test`, where no change of an operator says the same."""
    inside = isinstance(test, ast.Compare) and len(test.ops) == 1
    equality = inside and not isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)  # type: ignore[attr-defined]
    negation = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    if equality or negation or isinstance(test, ast.Constant):
        return None
    return ast.UnaryOp(ast.Not(), test)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _needed(targets: list[ast.expr], once: set[str]) -> bool:
    names = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return any(isinstance(name.ctx, ast.Store) and name.id in once for name in names)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            for index, child in enumerate(value if isinstance(value, list) else []):
                if child is old:
                    value[index] = new
                    return
