"""Answers are passages of the pages as they are on disk now, with where they stand; where there is none, they say so."""

import pytest

from apps.docs_assistant.app import GUIDE

PAGE = """# Garden

## How often is the lawn watered?

The lawn is watered every second Tuesday.

## Tools

- A spade.
- A rake\u2028with a separator, a café and 雨.
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "garden.md").write_text(PAGE, encoding="utf-8", newline="")
    return tmp_path


@pytest.fixture
def gardener(start_assistant, folder):
    return start_assistant(folder)


def test_it_quotes_the_section_and_names_its_page(gardener):
    answer = gardener.ask("How often do you water the lawn?")
    assert "The lawn is watered every second Tuesday." in answer
    assert answer.endswith("See: Garden › How often is the lawn watered? (/docs/garden)")


def test_an_edited_page_changes_the_next_answer(gardener, folder):
    assert "Tuesday" in gardener.ask("When is the lawn watered?")
    (folder / "garden.md").write_text(PAGE.replace("second Tuesday", "third Friday"), encoding="utf-8")
    answer = gardener.ask("When is the lawn watered?")
    assert "third Friday" in answer
    assert "Tuesday" not in answer


def test_new_emptied_and_removed_pages_count_at_once(gardener, folder):
    (folder / "pond.md").write_text("# Pond\n\nThe pond has goldfish.\n")
    assert "The pond has goldfish." in gardener.ask("goldfish?")
    (folder / "pond.md").write_text("")
    assert "The pond has goldfish." not in gardener.ask("goldfish?")
    (folder / "pond.md").write_text("# Pond\n\nThe pond has two goldfish.\n")
    assert "two goldfish" in gardener.ask("goldfish?")
    (folder / "pond.md").unlink()
    assert "two goldfish" not in gardener.ask("goldfish?")


def test_a_vanished_folder_leaves_the_last_pages_in_place(gardener, folder):
    away = folder.with_name("away")
    folder.rename(away)
    assert "Tuesday" in gardener.ask("When is the lawn watered?")
    (away / "garden.md").write_text(PAGE.replace("Tuesday", "Friday"))
    away.rename(folder)
    assert "Friday" in gardener.ask("When is the lawn watered?")


def test_a_page_that_cannot_be_read_takes_no_other_page_with_it(gardener, folder):
    # A regular file that can be opened but not read, even by root.
    (folder / "broken.md").symlink_to("/proc/self/mem")
    assert "Tuesday" in gardener.ask("When is the lawn watered?")
    (folder / "pond.md").write_text("# Pond\n\nThe pond has goldfish.\n")
    assert "The pond has goldfish." in gardener.ask("goldfish?")


def test_every_character_of_a_page_arrives_unharmed(gardener):
    passage = "- A rake\u2028with a separator, a café and 雨."
    assert passage in gardener.ask("Which tools are there?")
    body = {"model": "docs-assistant", "messages": [{"role": "user", "content": "Which tools are there?"}], "stream": True}
    raw = gardener.post("/v1/chat/completions", json=body).content
    # Every way of splitting lines must give the same events.
    assert raw.decode().splitlines() == raw.decode().split("\n")[:-1]


def test_a_follow_up_is_understood_from_the_turn_before(assistant):
    answer = assistant.ask("How do I use it from Python?", "and in Node?")
    assert 'import OpenAI from "openai";' in answer
    assert answer.endswith("See: OpenAI SDK › How do I use it from Node? (/docs/openai-sdk)")
    assert "Who pays when a stream breaks?" in assistant.ask("Who pays when a stream breaks?", "Tell me more")


def test_the_turn_before_decides_between_sections_that_fit_alike(gardener, folder):
    for flower, price in (("Roses", "three dollars"), ("Tulips", "one dollar"), ("Violets", "two dollars")):
        (folder / f"{flower.lower()}.md").write_text(f"# {flower}\n\n## Soil\n\nLoam.\n\n## Price\n\nThey cost {price}.\n")
    for flower, price in (("tulips", "one dollar"), ("violets", "two dollars"), ("roses", "three dollars")):
        assert f"They cost {price}." in gardener.ask(f"Which soil do {flower} need?", "And the price?")


def test_the_last_question_outweighs_the_earlier_ones(assistant):
    answer = assistant.ask("How do I use the OpenAI SDK from Python?", "What does a refused request cost?")
    assert "(/docs/api-keys)" in answer


def test_a_greeting_gets_an_introduction_with_questions_it_can_answer(assistant):
    answer = assistant.ask("Hello!")
    assert "not a language model" in answer
    questions = [line[2:] for line in answer.split("\n") if line.startswith("- ")]
    assert len(questions) == 3
    for question in questions:
        assert any(f"## {question}\n" in page.read_text() for page in GUIDE.glob("*.md"))
        assert question in assistant.ask(question)


@pytest.mark.parametrize(
    "question", ["What will the weather be in Paris?", "Who won the world cup?", "Write a poem about cats", "¿Qué hora es?"]
)
def test_what_the_documentation_does_not_say_is_not_answered(assistant, question):
    answer = assistant.ask(question)
    assert answer.startswith("I found nothing in the documentation")
    assert "See: " not in answer
    assert answer.count("\n- ") >= 1  # something that it does know


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("How do I create an API key?", "API keys › How do I create an API key? (/docs/api-keys)"),
        ("my key has leaked, how can I revoke it", "API keys › How do I revoke a key? (/docs/api-keys)"),
        ("What does a refused request cost?", "API keys › What does a refused request cost? (/docs/api-keys)"),
        ("who pays if my stream is interrupted", "Inferences › Who pays when a stream breaks? (/docs/inferences)"),
        ("which credits burn first", "Credits and billing › Which credit is used first? (/docs/credits-and-billing)"),
        ("pricing", "Credits and billing › How is the cost of a request computed? (/docs/credits-and-billing)"),
        ("status 402", "Errors and rate limits › What do the status codes mean? (/docs/errors-and-rate-limits)"),
        ("How long should I wait after a 429?", "Errors and rate limits › How should I retry? (/docs/errors-and-rate-limits)"),
        ("streaming in python", "OpenAI SDK › How do I stream an answer? (/docs/openai-sdk)"),
        ("connect olama", "Self-hosting › How do I connect Ollama? (/docs/self-hosting)"),
        ("compare models in the playground", "Playground › How do I compare models? (/docs/playground)"),
        ("What is AkashML?", "Introduction › What is AkashML? (/docs/introduction)"),
    ],
)
def test_questions_people_ask_find_their_section(assistant, question, source):
    answer = assistant.ask(question)
    assert f"under **{source.rsplit(' (', 1)[0]}**" in answer.split("\n")[0]
    assert f"See: {source}" in answer


def test_of_a_long_table_only_the_rows_asked_for_are_quoted(assistant):
    answer = assistant.ask("What does status 402 mean?")
    assert "| 402 | Not enough credit" in answer
    assert "| status | meaning | what to do |\n|---|---|---|" in answer
    assert "| 529 |" not in answer
