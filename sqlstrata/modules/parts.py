"""Which parts of its modules a package is executed in, while some of its modules are off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlstrata.modules.inits import NotOn, Origin, Part, part_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlstrata.modules.sources import Sources


class Parts:
    """The parts that are executed of those modules that pass names on.

    listed names the modules that some stage has on; one that is listed and not `on` is off. `not_on` is the first
    error, which code that swallows errors could have hidden.
    """

    def __init__(self, sources: Sources, listed: Collection[str], passes_on: Callable[[str], bool]) -> None:
        self.sources, self.passes_on = sources, passes_on
        self.listed, self.on = frozenset(listed), frozenset[str]()
        self.executed: dict[str, Part] = {}
        self.without: set[str] = set()
        """The modules that are off, and that what was executed would work with."""
        self.not_on: NotOn | None = None
        self._looking: list[str] = []

    def forget(self) -> None:
        """Have executed nothing."""
        self.not_on = None
        self.executed.clear()
        self.without.clear()

    def execute(self, name: str) -> Part:
        """Give the part of a module that is executed now. Raises NotOn."""
        part = self.executed[name] = self._of(name)
        self.without |= part.without
        return part

    def off(self, origin: Origin) -> str | None:
        """Give the module that is off and that something comes from; None where it comes from none. Raises NotOn."""
        module, name = origin.module, origin.name
        if module in self.listed and module not in self.on:
            return module
        if name is None or module in self._looking or not self.passes_on(module) or not self.sources.path(module):
            return None
        part = self._of(module)
        if (waiting := part.waiting.get(name)) is not None:
            return waiting.module
        found = list(map(self.off, part.later.get(name, ())))
        return None if not found or None in found else found[-1]

    def origins(self, package: str, name: str) -> tuple[Origin, ...]:
        """Give where a name may come from that a package passes on, the first choice last. Raises NotOn."""
        part = self.executed.get(package)
        if part is None:
            return ()
        if (waiting := part.waiting.get(name)) is not None:
            raise self.refused(NotOn(self.sources.path(package), waiting.line, waiting.module, name))
        found = part.later.get(name, ())
        self.without |= {module for each in found[1:] if (module := self.off(each)) is not None}
        return tuple(each for each in found if self.off(each) is None) or found

    def refused(self, error: NotOn) -> NotOn:
        """Remember the first error."""
        self.not_on = self.not_on or error
        return error

    def _of(self, name: str) -> Part:
        """Leave out of a module what it passes on; modules of the package that it imports are names of it as well."""
        self._looking.append(name)
        try:
            text = self.sources.text(self.sources.path(name))
            part = part_of(text, lambda node: self.sources.origins(node, name), self.off)
        except NotOn as error:
            raise self.refused(error) from None
        finally:
            self._looking.pop()
        imported = {each.module for found in part.later.values() for each in found}
        inner = {
            each.rpartition(".")[2]: (Origin(each),) for each in sorted(imported) if each.rpartition(".")[0] == name
        }
        return replace(part, later={**inner, **part.later})
