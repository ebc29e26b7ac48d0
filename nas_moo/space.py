"""What a search space is, the training recipe it may prescribe, and how a space is found by its name."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

from nas_moo.errors import NasMooError, SpaceError, UnknownNameError, UserInputError
from nas_moo.genes import Categorical
from nas_moo.genome import Architecture, Genome

if TYPE_CHECKING:
    import torch
    from torch import nn

Schedule: TypeAlias = Literal["constant", "cosine", "step"]
Augmentation: TypeAlias = Literal["none", "flip", "crop", "flip_crop"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine", "step")
AUGMENTATIONS: tuple[Augmentation, ...] = ("none", "flip", "crop", "flip_crop")
RESERVED_GENES = ("batch_size", "schedule", "augmentation")
ENTRY_POINTS = "nas_moo.spaces"
_USER_MODULE = "nas_moo_user_"


@runtime_checkable
class SearchSpace(Protocol):
    """A family of networks: its genes, and how a network is made from their values.

    A plain class or instance with these three members is a search space. It may also have
    ``recipe(architecture) -> Recipe``; without it, genes named ``batch_size``, ``schedule`` and ``augmentation`` mean
    what they say.
    """

    genome: Genome

    def build(self, architecture: Architecture, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        """An untrained network.

        Args:
            architecture: The active genes.
            input_shape: Of one example, without the batch: (channels, height, width) or (features,).
            n_classes: Length of the network's output, one logit a class.
        """
        ...

    def optimizer(self, architecture: Architecture, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer, with its learning rate and weight decay."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How one architecture is trained, beside its optimizer.

    Attributes:
        batch_size: Examples a step.
        schedule: Of the learning rate: "constant", "cosine" to zero, or "step" (a tenth after 60 % and 85 %).
        augmentation: Of images during training: horizontal "flip", "crop" of the image padded by an eighth, or both.
        clip_norm: Largest gradient norm; longer gradients are shortened.
    """

    batch_size: int = 64
    schedule: Schedule = "cosine"
    augmentation: Augmentation = "none"
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise SpaceError("a batch size is no positive whole number", value=self.batch_size, do="Give 1 or more.")
        if self.schedule not in SCHEDULES:
            raise UnknownNameError("schedule", self.schedule, SCHEDULES)
        if self.augmentation not in AUGMENTATIONS:
            raise UnknownNameError("augmentation", self.augmentation, AUGMENTATIONS)
        if not self.clip_norm > 0:
            raise SpaceError("a gradient cannot be clipped to this norm", value=self.clip_norm, do="Give more than 0.")


@dataclass(frozen=True)
class LoadedSpace:
    """A search space and where it came from.

    Attributes:
        reference: What the user passed, with a file's path made absolute: load it again with this.
        space: The instance.
        code_digest: Of the code in the file that defines it, without comments and layout. A study that is resumed
            compares it.
    """

    reference: str
    space: SearchSpace
    code_digest: str

    @property
    def name(self) -> str:
        """Short and fit for a study's name: "convnet", "Tower"."""
        return self.reference.rpartition(":")[2]

    def recipe(self, architecture: Architecture) -> Recipe:
        """The space's own recipe, or the reserved genes', or the defaults."""
        own = getattr(self.space, "recipe", None)
        if own is not None:
            made = own(architecture)
            if not isinstance(made, Recipe):
                raise SpaceError(
                    "a space's recipe is no Recipe", value=type(made).__name__, do="Return nas_moo.Recipe(...)."
                )
            return made
        return Recipe(**{name: architecture[name] for name in RESERVED_GENES if name in architecture})


def load_space(space: str | SearchSpace | type) -> LoadedSpace:
    """Find a search space.

    Args:
        space: A registered name ("convnet"), ``package.module:Name``, ``file.py:Name``, or the class or instance
            itself. A file's folder is put last on the module search path, so that it may import its neighbours.

    Raises:
        UnknownNameError: no such name.
        SpaceError: the file or module does not load, or what was found is no search space.
    """
    if not isinstance(space, str):
        owner = space if isinstance(space, type) else type(space)
        return _loaded(_reference_of(owner), space)
    if ":" in space:
        found, reference = load_object(space, kind="space")
        return _loaded(reference, found)
    registered = {e.name: e for e in entry_points(group=ENTRY_POINTS)}
    if space not in registered:
        raise UnknownNameError("space", space, registered, also="Or your own: my_file.py:Tower, package.module:Tower.")
    found, _ = load_object(registered[space].value, kind="space")
    return _loaded(space, found)


def load_object(reference: str, *, kind: str) -> tuple[Any, str]:
    """Import ``package.module:name`` or ``file.py:name``.

    Returns:
        The object, and the reference with a file's path made absolute.

    Raises:
        UserInputError: the file or module is not there or fails at import, or has no such name.
    """
    where, _, name = reference.rpartition(":")
    if not where or not name:
        raise UserInputError(
            f"a {kind} needs a place and a name", value=reference, do="Write file.py:name or package.module:name."
        )
    is_file = where.endswith(".py") or "/" in where
    path = user_path(where)
    if is_file and not path.is_file():
        raise UserInputError(f"there is no such file for a {kind}", value=where, do="Check the path.")
    try:
        module = _import_file(path) if is_file else _import_module(where)
    except (Exception, SystemExit) as error:  # a script without a main guard may end itself
        raise SpaceError(
            f"the {kind} failed at import ({type(error).__name__}: {error})",
            value=reference,
            do="Mend it, and try `python -c` on it.",
        ) from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UnknownNameError(f"name in {where}", name, public)
    return getattr(module, name), f"{path}:{name}" if is_file else reference


def user_path(text: str) -> Path:
    """The absolute path that a user means.

    Raises:
        UserInputError: it begins with the home of somebody who has none.
    """
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError as error:
        raise UserInputError("nobody here has this home folder", value=text, do="Check the path.") from error


def _import_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    content = hashlib.sha256(str(path).encode() + path.read_bytes())  # an edited file is another module
    name = f"{_USER_MODULE}{path.stem}_{content.hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"not a Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _reference_of(owner: type) -> str:
    """Where another process finds a class: by its file if the module's name means something in this process only."""
    module = sys.modules.get(owner.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and owner.__module__.startswith(("__main__", _USER_MODULE)):
        return f"{Path(file).resolve()}:{owner.__qualname__}"
    return f"{owner.__module__}:{owner.__qualname__}"


def _loaded(reference: str, found: Any) -> LoadedSpace:
    try:
        found = found() if isinstance(found, type) else found
        genome = getattr(found, "genome", None)  # may be a property
    except Exception as error:
        raise SpaceError(
            f"the space cannot be made without arguments ({type(error).__name__}: {error})",
            value=reference,
            do="Give its __init__ defaults, or pass an instance.",
        ) from error
    lacking = [m for m in ("build", "optimizer") if not callable(getattr(found, m, None))]
    if not isinstance(genome, Genome):
        lacking.insert(0, "genome")
    if lacking:
        raise SpaceError(
            f"this is no search space: {', '.join(lacking)} missing or of another type",
            value=reference,
            do="A space has genome (a nas_moo.Genome), build(architecture, input_shape, n_classes) and "
            "optimizer(architecture, parameters).",
        )
    _check_made_again(reference, found)
    loaded = LoadedSpace(reference, cast("SearchSpace", found), _code_digest(type(found)))
    _check_reserved_genes(loaded)
    return loaded


def _check_made_again(reference: str, space: Any) -> None:
    """Refuse an instance with settings of its own: a study is read again by making one without arguments."""
    plain = (str, int, float, bool, tuple, list, dict, type(None))
    own = {k: v for k, v in getattr(space, "__dict__", {}).items() if isinstance(v, plain)}
    if not own:
        return
    try:
        again = vars(type(space)())
    except Exception:  # noqa: BLE001 - whatever it raises, it cannot be made again
        again = {}
    differing = [k for k, v in own.items() if k not in again or again[k] != v]
    if differing:
        raise SpaceError(
            f"this instance has settings that its class alone does not make ({', '.join(differing)})",
            value=reference,
            do="Write a class of its own for them, so that the study can be read again.",
        )


def _check_reserved_genes(loaded: LoadedSpace) -> None:
    """Find a batch size of "many" before the first training does."""
    if hasattr(loaded.space, "recipe"):
        return
    for gene in loaded.space.genome.genes:
        if gene.name not in RESERVED_GENES:
            continue
        for value in gene.choices if isinstance(gene, Categorical) else (gene.low, gene.high):
            try:
                Recipe(**{gene.name: value})  # type: ignore[arg-type]
            except NasMooError as error:
                raise SpaceError(
                    f"the gene {gene.name!r} has a meaning of its own, and a value against it: {error.what}",
                    value=value,
                    do=f"{error.do} Or rename the gene, or give the space a recipe().",
                ) from error


def _code_digest(owner: type) -> str:
    """Of the module's syntax tree without docstrings, so that a comment or a reformatting changes nothing."""
    try:
        source = Path(inspect.getfile(owner)).read_bytes()  # the file itself may name its encoding
    except (OSError, TypeError):  # typed into an interpreter: there is no file to compare
        return "no source"
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]  # alike in all versions of Python
