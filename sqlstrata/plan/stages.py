"""The stages: their names, and which modules are on after each."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from msgspec import UNSET

from sqlstrata.nearest import nearest_hint
from sqlstrata.plan import hints
from sqlstrata.plan.form import filled, wanted
from sqlstrata.plan.values import Sql, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlstrata.plan.document import Entry
    from sqlstrata.plan.form import StageForm

_LONGEST_NAME = 255 - len("00000_.py")  # what file systems take, less what stands around it
_ID = re.compile(r"[0-9A-Za-z_.]{1,32}")  # what Alembic allows, and its table can store
_WORDS_OF_ALEMBIC = {"base", "head", "heads", "current"}
_MODULE = re.compile(r"[\w-]+(\.[\w-]+)*")


def stages(top: Entry, forms: tuple[StageForm, ...]) -> tuple[Stage, ...]:
    """Read `stages`. Raises WrongUse."""
    if not forms:
        hint = f"Write one, as in `{wanted(('stages',)).example}`."
        raise top["stages"].wrong("There is no stage in `stages`.", hint)
    made: list[Stage] = []
    seen: dict[str, int] = {}
    released: dict[str, str] = {}
    on: dict[str, str] = {}
    for entry, form in zip(top.inside("stages"), forms, strict=True):
        _ordered(entry, form, made)
        _named(entry["name"], seen)
        seen[form.name] = entry["name"].where.line
        if form.revision is not UNSET:
            _released(entry["revision"], made, released)
            released[form.revision] = form.name
        on = _turned(entry, form.name, on)
        made.append(_stage(entry, form, tuple(on)))
    return tuple(made)


def slug(text: str) -> str:
    """Give a text as a to z, 0 to 9 and _, without accents; it may be empty, or begin with a number."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _named(entry: Entry, seen: Mapping[str, int]) -> None:
    """Refuse a stage's name that is not a slug, is reserved, is too long for a file name, or was seen before."""
    if not re.fullmatch("[a-z][a-z0-9_]*", entry.text):
        name = slug(entry.text).lstrip("0123456789_")
        message = f"`{entry.text}` is not a stage name: use a to z, 0 to 9 and _, beginning with a letter."
        raise entry.wrong(message, f"Write it as in `name: {name or 'usuario'}`.")
    if entry.text == "base":
        message = "A stage cannot be named `base`, which is the state before the first stage."
        raise entry.wrong(message, "Give it another name.")
    if len(entry.text) > _LONGEST_NAME:
        message = f"This stage's name has {len(entry.text)} letters, too many for a file name."
        raise entry.wrong(message, f"Use at most {_LONGEST_NAME}.")
    if entry.text in seen:
        message = f"There are two stages `{entry.text}`; the first is in line {seen[entry.text]}."
        raise entry.wrong(message, "Give one of them another name.")


def _ordered(entry: Entry, form: StageForm, before: list[Stage]) -> None:
    """Refuse a stage of one kind where there must be one of another: frozen ones, then module stages or a live one."""
    kinds = [key for key in ("live", "frozen", "enable", "disable") if getattr(form, key)]
    if len(kinds) > 1 and kinds != ["enable", "disable"]:
        message = f"The stage `{form.name}` has both `{kinds[0]}` and `{kinds[1]}`."
        raise entry[kinds[0]].wrong(message, "Its schema can come from one of them only; remove the other.")
    last = before[-1] if before else None
    if last is not None and last.live:
        message = f"Only the last stage can be live, and `{last.name}` is not the last."
        hint = f"`inv new-stage` freezes it; in config.yaml it then has `frozen: true`, and the file {last.name}.py."
        raise entry.wrong(message, hint)
    if last is not None and not last.frozen and (form.live or form.frozen):
        key = "live" if form.live else "frozen"
        message = f"`{form.name}` is {key}, but the stage before it, `{last.name}`, turns on modules."
        hint = "Frozen stages come first; then module stages, or one live stage. "
        raise entry[key].wrong(message, f"{hint}`inv new-stage NAME --live` freezes the module stages for a live one.")


def _released(entry: Entry, before: Sequence[Stage], released: Mapping[str, str]) -> None:
    """Refuse an id that Alembic does not take, that another stage has, or that comes after stages without one."""
    if not _ID.fullmatch(entry.text) or entry.text in _WORDS_OF_ALEMBIC:
        message = f"`{entry.text}` is not the id of a revision: use up to 32 of a to z, A to Z, 0 to 9, _ and ."
        raise entry.wrong(message, "`inv release` writes the ids of the stages.")
    if entry.text in released:
        message = f"The stages `{released[entry.text]}` and this one are both released as `{entry.text}`."
        raise entry.wrong(message, "Remove one of the two; `inv release` writes the right one.")
    if len(released) < len(before):
        unreleased = next(stage.name for stage in before if stage.revision is None)
        message = f"This stage is released, and stage `{unreleased}` before it is not."
        hint = f"Move `{unreleased}` behind the released stages, or release it too: `inv release --to {unreleased}`."
        raise entry.wrong(message, hint)


def _turned(entry: Entry, stage: str, before: Mapping[str, str]) -> dict[str, str]:
    """Give the modules that are on after a stage, each with the stage that turned it on."""
    on = dict(before)
    for item in entry.inside("disable"):
        module = _module(item)
        if module not in on:
            message = f"The module `{module}` is not on, so stage `{stage}` cannot turn it off."
            raise item.wrong(message, nearest_hint(module, on, "module that is on"))
        del on[module]
    for item in entry.inside("enable"):
        module = _module(item)
        if on.get(module) == stage:
            raise item.wrong(f"The module `{module}` is turned on twice in this stage.", "Remove one of the two.")
        if module in on:
            message = f"The module `{module}` is already on, since stage `{on[module]}`."
            raise item.wrong(message, "Remove it, or turn it off first with `disable`.")
        on[module] = stage
    return on


def _module(entry: Entry) -> str:
    plain = re.sub(r"\.py$", "", filled(entry)).strip("./").replace("/", ".")
    if entry.text != plain or not _MODULE.fullmatch(plain):
        right = plain if _MODULE.fullmatch(plain) else "vendas.pedido"
        message = f"`{entry.text}` is not the name of a module."
        raise entry.wrong(message, f"Write it as in an import, inside the package: `{right}`.")
    return plain


def _stage(entry: Entry, form: StageForm, modules: tuple[str, ...]) -> Stage:
    if not (form.live or form.frozen or form.enable or form.disable or form.data is not UNSET):
        message = f"The stage `{form.name}` turns no module on or off and has no `data`."
        raise entry.wrong(message, "Add `enable`, `disable` or `data`, or `live: true`, or remove the stage.")
    upgrade, downgrade = (Sql(), Sql()) if form.data is UNSET else hints.data(entry["data"])
    if downgrade and not form.downgrade:
        message = f"The stage `{form.name}` has `downgrade: false`, so its SQL for the downgrade would never run."
        raise entry["data"]["downgrade"].wrong(message, "Remove it, or remove `downgrade: false`.")
    return Stage(
        name=form.name,
        message=form.name if form.message is UNSET else filled(entry["message"]).strip(),
        enable=form.enable,
        disable=form.disable,
        rename=hints.each(entry, "rename", hints.rename),
        drop=hints.drop(entry),
        fill=hints.each(entry, "fill", hints.fill),
        cast=hints.each(entry, "cast", hints.cast),
        upgrade=upgrade,
        downgrade_sql=downgrade,
        reversible=form.downgrade,
        revision=None if form.revision is UNSET else form.revision,
        rows=hints.each(entry, "rows", hints.rows),
        modules=modules,
        live=form.live,
        frozen=form.frozen,
    )
