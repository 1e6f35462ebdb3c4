"""A project's classes: how often each was found, which words mean the same, and everything undone and done again.

What is done at once is one action of the project, in however many pictures, and is undone at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from grounding.editing import MAX_LABEL
from grounding.errors import RequestError
from grounding.labels import Merged, Naming, merges
from grounding.types import Review
from jobs.project import Project, Which


@dataclass(frozen=True)
class Class:
    """A label of the project. objects, pictures: where it was found, rejected ones left aside. words: its synonyms."""

    name: str
    objects: int
    pictures: int
    words: tuple[str, ...] = ()


def classes(project: Project, states: Iterable[Review] = Review) -> list[Class]:
    """Every label: those a person set first and in their order, then the most usual first.

    states: of the pictures whose objects count.
    """
    query = """SELECT json_extract(value, '$[0]') AS label, count(*), count(DISTINCT picture.id)
        FROM picture JOIN step ON step.picture = picture.id AND step.number = picture.step, json_each(outline)
        WHERE json_extract(value, '$[1]') <> ? AND state IN (SELECT value FROM json_each(?))
        GROUP BY label ORDER BY count(*) DESC, label"""
    of = Review.REJECTED.value, json.dumps([each.value for each in states])
    with project.store.database.read() as connection:
        found = {label: (n, pictures) for label, n, pictures in connection.execute(query, of)}
    naming = project.naming
    names = dict.fromkeys((*naming.names, *found, *naming.synonyms.values()))
    return [Class(name, *found.get(name, (0, 0)), naming.words(name)) for name in names]


def proposals(known: Sequence[Class]) -> tuple[Merged, ...]:
    """Labels that seem to mean another, by case or plural."""
    return merges(each.name for each in sorted(known, key=lambda each: -each.objects) if each.name)


def merge(project: Project, words: Collection[str], into: str) -> int:
    """Each of `words` is `into` from now on, in every picture and in answers to come; how many objects were renamed.

    Another spelling of theirs on the list of classes goes with them, as files know no case, unless an object has it,
    be it a rejected one: that stays known as what it was rejected as.
    """
    into = _name(into)
    gone = frozenset(each for each in words if each != into)
    if not gone:
        raise RequestError("Choose the labels to merge, and another one to merge them into.")
    what = f"merged {', '.join(sorted(gone))[:80]} into {into[:80]}"
    changed = 0
    with project.store.database.change():
        action = project.store.action()
        spelled = {word.casefold() for word in gone}
        others = {each.name for each in classes(project) if each.name.casefold() in spelled} - {into}
        gone |= {name for name in others if not project.count(Which(label=name))}
        naming = project.naming.merged(gone, into)
        project.store.name(naming, what, action)
        named = {each.id for word in gone for each in project.pictures(which=Which(label=word))}
        for picture in sorted(named):
            changed += project.store.rename(picture, gone, into, what, action)
    return changed


def part(project: Project, word: str) -> None:
    """A synonym is a class of its own again for answers to come; objects keep their names."""
    if word not in project.naming.synonyms:
        raise RequestError("That word is no synonym any more. Look at the labels again.")
    with project.store.database.change():
        project.store.name(project.naming.apart(word), f"{word[:80]} is a label of its own", project.store.action())


def set_names(project: Project, names: Sequence[str]) -> None:
    """The classes that come first, in this order."""
    naming = Naming(tuple(dict.fromkeys(_name(each) for each in names)), project.naming.synonyms)
    with project.store.database.change():
        project.store.name(naming, "labels set", project.store.action())


_STANDS = "FROM picture JOIN step ON step.picture = picture.id AND step.number = picture.step"
_FOLLOWS = "FROM picture JOIN step ON step.picture = picture.id AND step.number = picture.step + 1"
_NAMED = "FROM project JOIN naming ON naming.number = project.naming"
_NAMED_NEXT = "FROM project JOIN naming ON naming.number = project.naming + 1"


def undoable(project: Project) -> str:
    """What `undo` would take back, in words; "" for nothing."""
    return _newest(project)[1]


def redoable(project: Project) -> str:
    """What `redo` would do again, in words; "" for nothing."""
    return _next(project)[1]


def undo(project: Project) -> str:
    """Takes back what was done last, in all the pictures it changed; what that was, "" where there was nothing."""
    with project.store.database.change() as connection:
        action, what = _newest(project)
        if action:
            one = f"UPDATE picture SET step = step - 1 WHERE id IN (SELECT id {_STANDS} WHERE action = ?)"
            connection.execute(one, (action,))
            connection.execute(f"UPDATE project SET naming = naming - 1 WHERE ? = (SELECT action {_NAMED})", (action,))
    return what


def redo(project: Project) -> str:
    """Does again what was undone last, unless something else was done since."""
    with project.store.database.change() as connection:
        action, what = _next(project)
        if action:
            one = f"UPDATE picture SET step = step + 1 WHERE id IN (SELECT id {_FOLLOWS} WHERE action = ?)"
            connection.execute(one, (action,))
            connection.execute(
                f"UPDATE project SET naming = naming + 1 WHERE ? = (SELECT action {_NAMED_NEXT})", (action,)
            )
    return what


def _newest(project: Project) -> tuple[int, str]:
    query = f"""SELECT action, what, name, count(*) FROM (SELECT action, what, name {_STANDS} UNION ALL
        SELECT action, what, '' {_NAMED}) GROUP BY action ORDER BY action DESC LIMIT 1"""
    return _told(project, query)


def _next(project: Project) -> tuple[int, str]:
    newest, _ = _newest(project)
    query = f"""SELECT action, what, name, count(*) FROM (SELECT action, what, name {_FOLLOWS} UNION ALL
        SELECT action, what, '' {_NAMED_NEXT}) WHERE action > {newest:d} GROUP BY action ORDER BY action LIMIT 1"""
    return _told(project, query)


def _told(project: Project, query: str) -> tuple[int, str]:
    with project.store.database.read() as connection:
        row = connection.execute(query).fetchone()
    if row is None:
        return 0, ""
    action, what, name, count = row
    return action, f"{name}: {what}" if name and count == 1 else what


def namings_of(project: Project) -> tuple[list[tuple[int, str, dict[str, object]]], int]:
    """(action, what, words) of every naming there was, and the number of the one that holds, for an archive."""
    with project.store.database.read() as connection:
        rows = connection.execute("SELECT action, what, words FROM naming ORDER BY number").fetchall()
        (current,) = connection.execute("SELECT naming FROM project").fetchone()
    return [(action, what, json.loads(words)) for action, what, words in rows], current


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > MAX_LABEL:
        raise RequestError(f"A label needs a name of at most {MAX_LABEL} characters.")
    return name
