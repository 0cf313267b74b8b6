"""Where this checkout is, and what a hash of its files says about what was built from them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_GENERATED = frozenset({"node_modules", "dist", "__pycache__"})


def root() -> Path:
    """The checkout that this package is installed from (editable); else the current directory."""
    here = Path(__file__).resolve().parents[4]
    return here if (here / "run").is_file() else Path.cwd()


def fingerprint(paths: Iterable[Path]) -> str:
    """A hash over names and contents of files, and of directories without what is generated in them."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            inner = file.relative_to(path).parts if path.is_dir() else ()
            if file.is_file() and not _GENERATED.intersection(inner):
                digest.update(f"{'/'.join(inner) or file.name}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
