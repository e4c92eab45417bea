"""Which plugins a file offers, read from its text: nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from starcluster import exception
from starcluster.plugincode.convert import convert
from starcluster.plugincode.importing import neighbours
from starcluster.plugincode.language import Language, decide
from starcluster.plugincode.source import read

BASES = frozenset({"ClusterSetup", "DefaultClusterSetup", "NodePlugin"})
_BUNDLED = "starcluster.plugins."


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A plugin class in a file; `problem` is what keeps the file from being read, and then there is no class."""

    setup_class: str
    source: str
    file: str
    language: str = ""
    summary: str = ""
    problem: str = ""


def offers_of_folder(folder: Path, *, source: str, package: str = "") -> list[Offer]:
    """Of its files, and of the packages in it."""
    found: list[Offer] = []
    for file in sorted(folder.rglob("*.py")) if folder.is_dir() else []:
        parts = file.relative_to(folder).with_suffix("").parts
        # SETUP_CLASS = some-plugin.Class works, as it did in StarCluster
        if any("." in part for part in parts):
            continue
        parents = list(file.parents)[: len(parts) - 1]
        if all((parent / "__init__.py").is_file() for parent in parents):
            words = [*([package] if package else []), *(part for part in parts if part != "__init__")]
            found += offers_of(file, module=".".join(words), source=source, installed=bool(package))
    return found


def offers_of(file: Path, *, module: str, source: str, installed: bool = False) -> list[Offer]:
    """Of one file; what is installed is Python 3, whatever it imports."""
    language = Language.PYTHON3
    try:
        text = read(file.read_bytes(), str(file))
        language = language if installed else decide(text).language
        tree = _tree(text, file, language)
    except exception.PluginError as error:
        return [Offer(setup_class=module, source=source, file=str(file), problem=error.msg)]
    except OSError as error:
        return [Offer(setup_class=module, source=source, file=str(file), problem=f"can not be read: {error.strerror}")]
    except SyntaxError as error:
        problem = f"{file} line {error.lineno}: {error.msg}"
        return [Offer(setup_class=module, source=source, file=str(file), language=str(language), problem=problem)]
    return [
        Offer(
            setup_class=f"{module}.{node.name}" if module else node.name,
            source=source,
            file=str(file),
            language=str(language),
            summary=_summary(node, tree),
        )
        for node in plugin_classes(tree)
    ]


def _tree(text: str, file: Path, language: Language) -> ast.Module:
    if language is Language.PYTHON2:
        text = convert(text, str(file), neighbours(file)).text
    return ast.parse(text)


def plugin_classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """The classes at the top of the file that derive from a plugin base, a bundled plugin or another of the file."""
    known = set(BASES)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            bundled = f"{node.module}.".startswith(_BUNDLED)
            known |= {one.asname or one.name for one in node.names if bundled or one.name in BASES}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_derives(base, known) for base in node.bases):
            known.add(node.name)
            if not node.name.startswith("_"):
                yield node


def _derives(base: ast.expr, known: Collection[str]) -> bool:
    """A class by its name, in whatever module, or of a module that is known."""
    return bool({*ast.unparse(base).split(".")[-2:]} & {*known})


def _summary(node: ast.ClassDef, tree: ast.Module) -> str:
    """The first line of the class's docstring, else of the file's."""
    text = ast.get_docstring(node) or ast.get_docstring(tree) or ""
    return text.strip().split("\n")[0]
