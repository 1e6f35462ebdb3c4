"""What PaliGemma can be asked, in its own words: every kind of prompt, and the languages it was taught.

Sources: ai.google.dev/gemma/docs/paligemma/prompt-system-instructions for the kinds; big_vision's COCO-35L transfer for
the languages. How well a checkpoint answers a kind or a language is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

from grounding.errors import RequestError
from grounding.types import Task

LANGUAGES = {
    "ar": "Arabic",
    "bn": "Bengali",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fil": "Filipino",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "mi": "Maori",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "sw": "Swahili",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}

_ALSO = {"iw": "he", "farsi": "fa", "tagalog": "fil", "mandarin": "zh", "māori": "mi", "bangla": "bn"}


@dataclass(frozen=True)
class Prompt:
    """One kind of prompt. word: its first; needs: what has to be typed, in words for people, "" for nothing.

    language: whether the language of the answer stands behind the word.
    """

    word: str
    task: Task
    title: str
    needs: str = ""
    language: bool = True

    def text(self, typed: str = "", language: str = "") -> str:
        """The whole prompt; raises RequestError for a language it does not know, or where nothing was typed."""
        typed = " ".join(typed.split())
        if self.needs and not typed:
            raise RequestError(f"Type {self.needs}.")
        return " ".join(filter(None, [self.word, language_code(language) if self.language else "", typed]))


PROMPTS = (
    Prompt("caption", Task.CAPTION, "Short caption"),
    Prompt("describe", Task.CAPTION, "Longer description"),
    Prompt("cap", Task.CAPTION, "Caption as found on web pages"),
    Prompt("ocr", Task.CAPTION, "Read the text", language=False),
    Prompt("answer", Task.ASK, "Answer a question", "a question about the picture"),
    Prompt("question", Task.ASK, "Make up a question", "the answer it should have, in English"),
    Prompt("detect", Task.DETECT, "Find things", "what to look for, such as: cat ; red car", language=False),
    Prompt("segment", Task.SEGMENT, "Cut things out", "what to cut out, such as: cat", language=False),
)


def language_code(language: str) -> str:
    """The code of a language given as a code or by its English name; "en" for ""."""
    asked = language.strip().casefold()
    if not asked or asked in LANGUAGES:
        return asked or "en"
    by_name = {name.casefold(): code for code, name in LANGUAGES.items()} | _ALSO
    if asked not in by_name:
        raise RequestError(f"PaliGemma was not taught {language.strip()[:30]!r}. Choose one of its 35 languages.")
    return by_name[asked]
