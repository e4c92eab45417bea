"""Which Python a plugin file is written in: decided from its text alone, with the reason.

In this order: its first line says so; it was ported by us; it uses our own base class; it has syntax that only
Python 3 has; Python 3 can not compile it; it imports the old ClusterSetup; it uses names that only Python 2 has, or
imports a module of its own package as Python 2 let it; the file that imports it is in Python 2; else it is Python 3.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from starcluster.plugincode import modern
from starcluster.plugincode.source import bare

STAMP = "# ported to Python 3 by starcluster plugin port"
_SAYS = re.compile(r"#[ \t]*python[ \t]?([23])[ \t]*$", re.IGNORECASE)
_OLD_BASES = ("ClusterSetup", "DefaultClusterSetup", "*")
_GONE_MODULES = frozenset(
    "BaseHTTPServer ConfigParser Cookie HTMLParser Queue SimpleHTTPServer SocketServer StringIO UserDict __builtin__"
    " cPickle cStringIO commands cookielib httplib md5 popen2 sets sha thread urllib2 urlparse xmlrpclib".split()
)
_GONE_NAMES = frozenset(
    "StandardError basestring cmp execfile file long raw_input reduce unichr unicode xrange".split()
)
_GONE_METHODS = frozenset("has_key iteritems iterkeys itervalues".split())
_BOTH = re.compile(r"\b(?:ImportError|NameError|version_info|PY2|PY3|six)\b")
_NEW_BASE = re.compile(
    r"^[ \t]*(?:from[ \t]+starcluster\.nodeplugin\b|import[ \t]+starcluster\.nodeplugin\b"
    r"|from[ \t]+starcluster[ \t]+import\b[^\n]*\bnodeplugin\b)",
    re.MULTILINE,
)


class Language(StrEnum):
    PYTHON2 = "Python 2"
    PYTHON3 = "Python 3"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The language, and why: a half sentence that goes on from "FILE is Python 2: "."""

    language: Language
    reason: str


def decide(text: str, *, importer: Language | None = None, siblings: Collection[str] = ()) -> Verdict:
    """The file's language; `importer` is that of the file which imports it, if that is of the same folder.

    `siblings`: what its package holds, and no folder of Python's path.
    """
    declared = _declared(text)
    if declared:
        return declared
    tree = _compiled(text)
    code = bare(text)
    if _NEW_BASE.search(code):
        return _three("it imports starcluster.nodeplugin")
    feature = modern.in_tree(tree, text) if tree else modern.in_text(text, code)
    if feature:
        return _three(f"only Python 3 has {feature}")
    if tree is None:
        return _two("Python 3 can not compile it")
    if _imports_old_base(tree):
        return _two("it imports the old ClusterSetup")
    gone = None if _BOTH.search(code) else next(chain(_gone(tree), _bare_siblings(tree, siblings)), None)
    if gone:
        return _two(f"only Python 2 has {gone}")
    if importer is Language.PYTHON2:
        return _two("a Python 2 plugin imports it")
    return _three("nothing in it is Python 2")


def _three(reason: str) -> Verdict:
    return Verdict(language=Language.PYTHON3, reason=reason)


def _two(reason: str) -> Verdict:
    return Verdict(language=Language.PYTHON2, reason=reason)


def _declared(text: str) -> Verdict | None:
    """What its first lines say."""
    lines = text.split("\n", 3)[:3]
    said = _SAYS.match(lines[0])
    if said:
        return _two("its first line says so") if said[1] == "2" else _three("its first line says so")
    if any(line.startswith(STAMP) for line in lines):
        return _three("it was ported by `starcluster plugin port`")
    return None


def _compiled(text: str) -> ast.Module | None:
    """Its tree, if this Python can compile it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<plugin>", "exec", dont_inherit=True)
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _imports_old_base(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = {alias.name for alias in node.names}
            if node.module == "starcluster.clustersetup" and names & {*_OLD_BASES}:
                return True
            if node.module == "starcluster" and "clustersetup" in names:
                return True
        if isinstance(node, ast.Import) and any(alias.name == "starcluster.clustersetup" for alias in node.names):
            return True
    return False


def _gone(tree: ast.Module) -> Iterator[str]:
    """Modules, names and methods that ended with Python 2, as far as the file does not define them itself."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    own |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        for alias in getattr(node, "names", ())
        if isinstance(alias, ast.alias)
    }
    own |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"the module {alias.name}" for alias in node.names if alias.name in _GONE_MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module in _GONE_MODULES:
            yield f"the module {node.module}"
        elif isinstance(node, ast.Name) and node.id in _GONE_NAMES - own:
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr in _GONE_METHODS - own:
            yield f".{node.attr}()"


def _bare_siblings(tree: ast.Module, siblings: Collection[str]) -> Iterator[str]:
    """Imports that Python 3 would not find: a module of the same package without the package's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        else:
            continue
        yield from (
            f"import {name} for a module of its own package" for name in modules if name.partition(".")[0] in siblings
        )
