"""PaliGemma's prompts: every kind and language, and what people type made into one of them."""

from __future__ import annotations

import pytest

from grounding.codecs.paligemma import encode_prefix
from grounding.codecs.paligemma_prompts import LANGUAGES, PROMPTS, Prompt, language_code
from grounding.codecs.paligemma_scan import GRAMMAR
from grounding.errors import RequestError
from grounding.types import Options, Request, Task


def ask(task: Task, text: str = "", language: str = "") -> Request:
    return Request(task, (), text, options=Options(language=language))


def test_there_are_at_least_34_languages_and_each_has_a_name_and_a_code_of_its_own() -> None:
    assert len(LANGUAGES) == len(set(LANGUAGES.values())) >= 34
    for code, name in LANGUAGES.items():
        assert language_code(code) == language_code(name) == language_code(f" {name.upper()} ") == code


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda each: each.word)
def test_every_kind_of_prompt_is_one_the_grammar_knows_and_passes_through_any_task(prompt: Prompt) -> None:
    for code in LANGUAGES if prompt.language else [""]:
        text = prompt.text("cat" if prompt.needs else "", code)
        assert GRAMMAR.fullmatch(text), text
        assert {encode_prefix(ask(task, text)) for task in Task} == {text}


@pytest.mark.parametrize(
    ("request_", "prefix"),
    [
        pytest.param(ask(Task.CAPTION), "caption en", id="nothing typed"),
        pytest.param(ask(Task.CAPTION, language="Persian"), "caption fa", id="another language"),
        pytest.param(ask(Task.CAPTION, "caption fa"), "caption fa", id="typed whole"),
        pytest.param(ask(Task.CAPTION, "caption fil"), "caption fil", id="a code of three letters"),
        pytest.param(ask(Task.CAPTION, "Describe", "de"), "describe de", id="the kind alone"),
        pytest.param(ask(Task.CAPTION, "cap"), "cap en", id="the short kind"),
        pytest.param(ask(Task.CAPTION, "ocr", "tr"), "ocr", id="text is read in its own language"),
        pytest.param(ask(Task.ASK, "Kaç kedi var?", "Turkish"), "answer tr Kaç kedi var?", id="a question"),
        pytest.param(ask(Task.ASK, "question en two cats"), "question en two cats", id="making up a question"),
        pytest.param(ask(Task.ASK, "caption cat", "en"), "answer en caption cat", id="no language of three letters"),
        pytest.param(ask(Task.CAPTION, "What do you see?"), "What do you see?", id="plain words, as mix takes them"),
        pytest.param(
            ask(Task.CAPTION, "caption en <loc0001><loc0002><loc0300><loc0400>"),
            "caption en <loc0001><loc0002><loc0300><loc0400>",
            id="places in a whole prompt",
        ),
        pytest.param(ask(Task.ASK, "what is <loc0001>?"), "answer en what is ?", id="no places in plain words"),
        pytest.param(ask(Task.CAPTION, "ocr<eos>\n"), "ocr", id="never a control token"),
    ],
)
def test_what_is_typed_becomes_a_prompt(request_: Request, prefix: str) -> None:
    assert encode_prefix(request_) == prefix


@pytest.mark.parametrize("language", ["Klingon", "xx", "english please", "e n"])
def test_a_language_it_was_not_taught_is_refused(language: str) -> None:
    for task, text in ((Task.CAPTION, ""), (Task.ASK, "why?")):
        with pytest.raises(RequestError, match="not taught"):
            encode_prefix(ask(task, text, language))


@pytest.mark.parametrize("prompt", [each for each in PROMPTS if each.needs], ids=lambda each: each.word)
def test_a_prompt_that_needs_words_says_which(prompt: Prompt) -> None:
    with pytest.raises(RequestError, match="Type "):
        prompt.text("  ")
