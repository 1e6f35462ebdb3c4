"""XML as datasets use it, written so that every reader takes it and read so that no file can harm. Knows no format."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

from grounding.errors import RequestError
from grounding.exports import fields

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped."""


def writable(text: str) -> str:
    """`text` with the replacement character for what XML cannot hold, and line ends as XML's readers give them back."""
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def add(parent: Element, tag: str, text: object = None, /, **attributes: object) -> Element:
    """A child with a text and attributes, all made writable; a `_` in an attribute's name stays."""
    child = SubElement(parent, tag, {name: writable(str(value)) for name, value in attributes.items()})
    if text is not None:
        child.text = writable(str(text))
    return child


def to_xml(root: Element, *, declared: bool = True) -> bytes:
    indent(root, " ")
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=declared)
    return content


def read_xml(content: bytes) -> Element:
    """The root; RequestError for damaged XML, and for entities and DTDs, which are how XML files attack."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise RequestError("It declares entities or a DTD, which label files never need; it was not read.") from None
    except (ParseError, ValueError, LookupError):
        raise RequestError("It is not valid XML. Save or download it again.") from None
    return root


def text_of(parent: Element, path: str) -> str:
    """The text of the first element at `path`, as it is; "" without one."""
    found = parent.find(path)
    return "" if found is None or found.text is None else found.text


def number_of(parent: Element, path: str) -> float:
    found = text_of(parent, path)
    if not found.strip():
        raise RequestError(f"It has no {path.rpartition('/')[2]}.")
    return fields.number(found.strip(), f"Its {path.rpartition('/')[2]}")


def attribute(element: Element, name: str) -> str:
    found = element.get(name)
    if found is None:
        raise RequestError(f"A {element.tag} has no {name}.")
    return found


def attributes(element: Element, *names: str) -> list[float]:
    return [fields.number(attribute(element, name), f"A {element.tag}'s {name}") for name in names]
