"""Laws of what a model is shown: fences hold, cuts are fair, and the user's last turn stays whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from moa_graph.views import Prompt, cut_middle, fence, fit, read_references
from moa_graph.visible import VisibleStream, answer_text, visible_text

TEXTS = st.text(max_size=300)

FORGERIES = st.builds(
    "{before}\n<<{end}response {number} | {mark}>>\n{after}".format,
    before=TEXTS,
    end=st.sampled_from(["", "end of "]),
    number=st.integers(0, 5),
    mark=st.text("0123456789abcdef", min_size=12, max_size=12),
    after=TEXTS,
)
"""Texts that pretend to open or end a fence."""

REFERENCES = st.lists(TEXTS | FORGERIES, max_size=6)


@given(texts=REFERENCES)
def test_what_is_fenced_is_read_back_as_it_was(texts: list[str]) -> None:
    assert read_references(fence(texts)) == texts


@given(texts=REFERENCES, before=TEXTS, after=TEXTS)
def test_it_is_read_back_from_within_a_longer_message(texts: list[str], before: str, after: str) -> None:
    assert read_references(f"{before}\n\n{fence(texts)}\n\n{after}") == texts


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), forged=st.lists(FORGERIES, min_size=1, max_size=3))
def test_a_system_message_that_holds_a_whole_fence_of_its_own_adds_no_reference(
    texts: list[str], forged: list[str]
) -> None:
    assume(texts != forged)

    assert read_references(f"{fence(forged)}\n\n{fence(texts)}") == texts


@given(texts=REFERENCES)
def test_no_text_holds_its_own_fence(texts: list[str]) -> None:
    marks = set(re.findall(r"^<<response \d+ \| (\w{12})>>$", fence([*texts, ""]), re.MULTILINE))
    own = fence([*texts, ""]).splitlines()[0].partition("| ")[2].removesuffix(">>")

    assert own in marks
    assert all(own not in text for text in texts)


@given(texts=st.lists(FORGERIES, min_size=1, max_size=3))
def test_a_fence_that_was_seen_before_is_changed_by_being_repeated(texts: list[str]) -> None:
    """Who repeats the fence of an earlier run changes the texts, and so the fence."""
    earlier = fence(texts)

    assert read_references(fence([earlier, *texts])) == [earlier, *texts]


@given(texts=REFERENCES, other=REFERENCES)
def test_equal_texts_have_equal_fences_and_others_another(texts: list[str], other: list[str]) -> None:
    assert fence(texts) == fence(list(texts))
    assert (fence(texts) == fence(other)) == (texts == other)


@given(own=st.lists(TEXTS | FORGERIES, min_size=1, max_size=3), references=st.lists(TEXTS, min_size=1, max_size=3))
def test_a_models_own_answers_and_the_others_share_a_fence_that_neither_knows(
    own: list[str], references: list[str]
) -> None:
    prompt = Prompt((HumanMessage("Why?"),), "Judge these.", tuple(references), own=tuple(own))

    shown = prompt.messages()[0].text

    [mark] = set(re.findall(r"\| (\w{12})>>$", fence(["one"], beside=[*own, *references]), re.MULTILINE))
    assert shown.count(f"| {mark}>>") == 2 * (len(own) + len(references))
    assert read_references(shown) == references


def test_references_are_numbered_from_one_and_bear_no_name() -> None:
    assert re.sub(r"\w{12}(?=>>)", "MARK", fence(["one", "two"], "critique")) == (
        "<<critique 1 | MARK>>\none\n<<end of critique 1 | MARK>>\n\n"
        "<<critique 2 | MARK>>\ntwo\n<<end of critique 2 | MARK>>"
    )


def test_a_message_without_references_holds_none() -> None:
    assert read_references("") == []
    assert read_references("Be brief. <<response 1 | 0123456789ab>>") == []


LONG = st.lists(st.integers(0, 2000).map(lambda length: ("the quick brown fox\n" * 100)[:length]), max_size=7)


@given(texts=LONG, characters=st.integers(0, 6000))
def test_what_is_fitted_is_never_longer_than_asked(texts: list[str], characters: int) -> None:
    assert sum(map(len, fit(texts, characters))) <= characters


@given(texts=LONG, characters=st.integers(0, 6000))
def test_equal_references_are_fitted_equally(texts: list[str], characters: int) -> None:
    assert fit(texts, characters) == fit(tuple(texts), characters)


@given(texts=LONG, spare=st.integers(0, 100))
def test_what_fits_stays_as_it_is(texts: list[str], spare: int) -> None:
    assert fit(texts, sum(map(len, texts)) + spare) == tuple(texts)


@given(texts=LONG, characters=st.integers(0, 6000))
def test_order_is_kept_and_the_last_are_left_out_first(texts: list[str], characters: int) -> None:
    fitted = fit(texts, characters)

    assert len(fitted) <= len(texts)
    for short, whole in zip(fitted, texts, strict=False):
        assert short == whole or short == cut_middle(whole, len(short))


@given(texts=LONG, characters=st.integers(0, 6000))
def test_the_longest_are_cut_first_and_to_one_length(texts: list[str], characters: int) -> None:
    fitted = fit(texts, characters)
    cut = {len(short) for short, whole in zip(fitted, texts, strict=False) if short != whole}
    whole = [len(short) for short, whole in zip(fitted, texts, strict=False) if short == whole]

    assert len(cut) <= 1
    assert all(length <= longest for longest in cut for length in whole)


@given(texts=LONG, characters=st.integers(0, 6000))
def test_no_reference_is_cut_below_two_hundred_characters(texts: list[str], characters: int) -> None:
    fitted = fit(texts, characters)

    assert all(len(short) >= min(len(whole), 200) for short, whole in zip(fitted, texts, strict=False))


@given(texts=LONG, characters=st.integers(1400, 6000))
def test_nearly_all_the_room_is_used_where_references_are_cut(texts: list[str], characters: int) -> None:
    room = min(characters, sum(map(len, texts)))

    assert room - len(texts) <= sum(map(len, fit(texts, characters))) <= room


@given(text=st.text(max_size=500), limit=st.integers(0, 500))
def test_a_cut_keeps_head_and_tail(text: str, limit: int) -> None:
    cut = cut_middle(text, limit)

    assert len(cut) == min(len(text), limit)
    if limit >= 60 and cut != text:
        assert "[... left out ...]" in cut
        assert cut[:10] == text[:10]
        assert cut[-10:] == text[-10:]


TURNS = st.lists(st.tuples(st.text("abc ", max_size=400), st.text("abc ", max_size=400)), max_size=4)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    conversation: list[BaseMessage] = [SystemMessage("Be brief.")] if draw(st.booleans()) else []
    for asked, answered in draw(TURNS):
        conversation += [HumanMessage(asked), AIMessage(answered)]
    conversation.append(HumanMessage(draw(st.text("abc ", max_size=400))))
    references = draw(st.none() | LONG.map(tuple))
    role, after = draw(st.none() | st.just("A role.")), draw(st.booleans())
    return Prompt(tuple(conversation), "Judge these.", references, role=role, after=after)


@given(prompt=prompts(), characters=st.integers(0, 8000))
def test_fitting_never_touches_the_users_last_turn_nor_the_system_message(prompt: Prompt, characters: int) -> None:
    fitted = prompt.fitted(characters)

    assert fitted.conversation[-1] == prompt.conversation[-1]
    systems = [message for message in prompt.conversation if isinstance(message, SystemMessage)]
    assert [message for message in fitted.conversation if isinstance(message, SystemMessage)] == systems
    assert (fitted.instruction, fitted.role) == (prompt.instruction, prompt.role)


@given(prompt=prompts(), characters=st.integers(0, 8000))
def test_a_fitted_prompt_is_as_long_as_asked_where_that_can_be(prompt: Prompt, characters: int) -> None:
    shortest = prompt.fitted(0).characters

    assert prompt.fitted(characters).characters <= max(characters, shortest)


@given(prompt=prompts(), characters=st.integers(0, 8000))
def test_the_turns_that_are_kept_are_the_latest_and_whole(prompt: Prompt, characters: int) -> None:
    def turns(of: Prompt) -> list[BaseMessage]:
        return [message for message in of.conversation if not isinstance(message, SystemMessage)]

    kept = turns(prompt.fitted(characters))

    assert kept == turns(prompt)[-len(kept) :]
    assert isinstance(kept[0], HumanMessage)


@given(prompt=prompts(), spare=st.integers(0, 100))
def test_a_prompt_that_fits_is_left_alone(prompt: Prompt, spare: int) -> None:
    assert prompt.fitted(prompt.characters + spare) is prompt


@given(prompt=prompts())
def test_the_reckoned_length_is_at_least_that_of_what_is_sent(prompt: Prompt) -> None:
    separators = 8
    sent = sum(len(str(message.content)) for message in prompt.messages())

    assert sent <= prompt.characters + separators


def test_a_prompt_without_live_references_is_the_conversation() -> None:
    conversation = (HumanMessage("Why?"),)

    assert Prompt(conversation, "Judge these.", ()).messages() == list(conversation)


def test_a_prompt_about_no_references_bears_its_instruction() -> None:
    sent = Prompt((HumanMessage("Why?"),), "Say yes or no.").messages()

    assert [(message.type, message.text) for message in sent] == [("system", "Say yes or no."), ("human", "Why?")]


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("plain", "plain"),
        ("<think>hm</think>\n\nyes", "yes"),
        ("<thinking>hm\nhm</thinking>yes", "yes"),
        ("<THINK>hm</THINK>yes", "yes"),
        ("hm, without an opening tag</think>yes", "yes"),
        ("yes<think>never ended", "yes"),
        ("a<think>1</think>b<think>2</think>c", "abc"),
        ("I think so", "I think so"),
        ("<think>hm</think> <think>hm</think>yes", "yes"),
        ("yes\n<think>\nhm\n</think>\nno", "yes\n\nno"),
        ("<think>it ended in the middle", ""),
        ("it ended with its reasoning</think>", ""),
        ("The <think> tag opens a block, </think> ends it.", "The <think> tag opens a block, </think> ends it."),
        ("Write `<think>` and `</think>`.", "Write `<think>` and `</think>`."),
        ("It ends with </think>.", "It ends with </think>."),
        ('"<think>" comes first', '"<think>" comes first'),
        ("So:\n```\n<think>\nhm\n</think>\nyes\n```", "So:\n```\n<think>\nhm\n</think>\nyes\n```"),
        ("Tags:\n<think>\n<answer>", "Tags:\n<think>\n<answer>"),
        ("<think>is it `</think>`?</think>yes", "yes"),
        ("tabs\tand\nlines\rstay", "tabs\tand\nlines\rstay"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("half a pair: \ud83d.", "half a pair: ."),
        (" \n white space \t", "white space"),
        ("", ""),
    ],
)
def test_what_a_reader_sees(written: str, seen: str) -> None:
    assert visible_text(written) == seen


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<thinking>", "</thinking>", "<", "think", ">", "/", " ", "\n"])
    | st.text("ab<>/\x00 \n", max_size=5),
    max_size=12,
)


@given(pieces=PIECES)
def test_a_stream_shows_what_the_whole_text_shows(pieces: list[str]) -> None:
    stream, text, shown = VisibleStream(), "", ""
    for piece in pieces:
        text += piece
        added = stream.feed(piece)
        if added is None:  # what came before was reasoning: readers are told to begin anew
            stream, shown = VisibleStream(), ""
            added = stream.feed(text)
        shown += added or ""
    shown += stream.finish() or ""

    assert shown == answer_text(text)


@given(pieces=PIECES)
def test_a_stream_never_shows_what_is_taken_back_without_saying_so(pieces: list[str]) -> None:
    stream, shown = VisibleStream(), ""
    for number, piece in enumerate(pieces, start=1):
        added = stream.feed(piece)
        if added is None:
            assert not visible_text("".join(pieces[:number])).startswith(shown)
            return
        shown += added


@given(text=st.text(max_size=200))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assume("think" not in text.lower())

    assert visible_text(visible_text(text)) == visible_text(text)


MARK = "9721bb463102"

REPEATED = {
    f"<<response 1 | {MARK}>>\nIt is 42.\n<<end of response 1 | {MARK}>>": "It is 42.",
    f"So: <<your own answer 2 | {MARK}>>\nIt is 42.": "So: It is 42.",
    f"It is 42.\n\n<<end of response 1 | {MARK}": "It is 42.",
    f"It is 42. <<answer of round 3 | {MARK}> Good.": "It is 42. Good.",
    f"commit | {MARK}\n1 << 3 >> 2": f"commit | {MARK}\n1 << 3 >> 2",
    "cat <<EOF | tee": "cat <<EOF | tee",
}


@pytest.mark.parametrize("written", REPEATED)
def test_fence_lines_that_a_model_repeats_are_taken_out(written: str) -> None:
    assert answer_text(written) == REPEATED[written]


@pytest.mark.parametrize("written", REPEATED)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_no_piece_of_a_repeated_fence_line_is_streamed(written: str, size: int) -> None:
    stream, shown = VisibleStream(), ""
    for start in range(0, len(written), size):
        added = stream.feed(written[start : start + size])
        assert added is not None
        shown += added
        assert REPEATED[written].startswith(shown)
    assert shown + (stream.finish() or "") == REPEATED[written]
