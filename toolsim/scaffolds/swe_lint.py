"""Whether the linter that SWE-agent 0.x runs after an edit of a Python file is sure to be silent. Pure.

The linter is `flake8 --isolated --select=F821,F822,F831,E111,E112,E113,E999,E902`. This module answers yes only where
nothing of that can be found: the text compiles, indents in fours, and every name that is read is bound before.
Anything else may or may not be reported: it is not said what the linter would print.
"""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

_ALWAYS = frozenset(dir(builtins)) | {"__file__", "__name__", "__path__", "__annotations__", "WindowsError"}
_IN_CLASS = frozenset({"__module__", "__qualname__"})
_SKIPPED = frozenset({
    tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER,
})  # fmt: skip

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def is_clean(text: str) -> bool:
    """Whether the linter certainly finds nothing in this Python file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(text, "edited", "exec", dont_inherit=True)
        return _indents_in_fours(text) and _names_are_bound(tree)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return False


def _indents_in_fours(text: str) -> bool:
    """E111, on the first token of each logical line; a tab goes to the next multiple of eight."""
    first = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            first = True
        elif first and token.type not in _SKIPPED:
            if len(token.line[: token.start[1]].expandtabs(8)) % 4:
                return False
            first = False
    return True


@dataclass(slots=True)
class _Scope:
    """Names bound in one scope, with the first line after which each is sure to be bound."""

    kind: str
    outer: _Scope | None = None
    bound: dict[str, int] = field(default_factory=dict)

    def bind(self, name: str, line: int) -> None:
        self.bound[name] = min(line, self.bound.get(name, line))


def _names_are_bound(tree: ast.Module) -> bool:
    """F821 and F822: every name is bound in its own scope on an earlier line, or anywhere in a scope around."""
    found = list(ast.walk(tree))
    if any(isinstance(node, ast.Delete | ast.Global | ast.Nonlocal) for node in found):
        return False
    if any(isinstance(node, ast.ExceptHandler) and node.name for node in found):
        return _handled_names_stay_inside(tree) and _walk(tree)
    return _walk(tree)


def _handled_names_stay_inside(tree: ast.Module) -> bool:
    """`except E as e` unbinds `e`: it must not be read outside of such handlers."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name]
    inside = {id(node) for handler in handlers for node in ast.walk(handler)}
    names = {handler.name for handler in handlers}
    return all(id(node) in inside or not (isinstance(node, ast.Name) and node.id in names) for node in ast.walk(tree))


def _walk(tree: ast.Module) -> bool:
    module = _Scope("module")
    _bind_all(tree.body, module)
    exported = module.bound.get("__all__")
    return exported is None and all(_check(node, module) for node in tree.body)


def _bind_all(body: Iterable[ast.AST], scope: _Scope) -> None:
    for node in body:
        for name, line in _bindings(node):
            scope.bind(name, line)


def _bindings(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that a statement binds in its own scope, and the line after which they are bound."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, node.lineno
        return
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield (alias.asname or alias.name.partition(".")[0]), node.lineno
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, node.end_lineno or node.lineno
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name, node.lineno
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, node.lineno
    comprehension = isinstance(node, _Comprehension)
    for child in ast.iter_child_nodes(node):
        found = _bindings(child)
        if comprehension or isinstance(node, ast.comprehension):
            found = (each for each in found if isinstance(child, ast.NamedExpr))
        last = (node.end_lineno or node.lineno) if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) else 0
        yield from ((name, max(line, last)) for name, line in found)


def _check(node: ast.AST, scope: _Scope) -> bool:
    """Whether every name read in the node is sure to be bound."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return _is_bound(name, node.lineno, scope)
        case ast.AugAssign(target=ast.Name(id=name)) if not _is_bound(name, node.lineno, scope):
            return False
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _check_function(node, scope) and not _has_text_annotations(node)
        case ast.Lambda():
            return _check_function(node, scope)
        case ast.ClassDef():
            outside = [*node.decorator_list, *node.bases, *node.keywords]
            inner = _Scope("class", scope)
            _bind_all(node.body, inner)
            return all(_check(n, scope) for n in outside) and all(_check(n, inner) for n in node.body)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inner = _Scope("comprehension", scope)
            for generator in node.generators:
                _bind_all([generator.target], inner)
            inner.bound = dict.fromkeys(inner.bound, 0)
            return all(_check(child, inner) for child in ast.iter_child_nodes(node))
        case ast.AnnAssign() if _is_text(node.annotation):
            return False
    return all(_check(child, scope) for child in ast.iter_child_nodes(node))


def _check_function(node: _Function, scope: _Scope) -> bool:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    outside: list[ast.AST] = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    outside += [a.annotation for a in every if a.annotation is not None]
    if not isinstance(node, ast.Lambda):
        outside += [*node.decorator_list, *([node.returns] if node.returns is not None else [])]
    inner = _Scope("function", scope, {a.arg: 0 for a in every})
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    _bind_all(body, inner)
    return all(_check(n, scope) for n in outside) and all(_check(n, inner) for n in body)


def _is_bound(name: str, line: int, scope: _Scope) -> bool:
    """In this scope on an earlier line, in a scope around it anywhere (its code runs later), or built in."""
    if name in _ALWAYS or (scope.kind == "class" and name in _IN_CLASS):
        return True
    later, around = False, scope
    while True:
        if (around is scope or around.kind != "class") and name in around.bound:
            return later or around.bound[name] < line
        later = later or around.kind == "function"
        if around.outer is None:
            return False
        around = around.outer


def _is_text(node: ast.AST | None) -> bool:
    return node is not None and any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(node))


def _has_text_annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return _is_text(node.returns) or any(_is_text(a.annotation) for a in every if a is not None)
