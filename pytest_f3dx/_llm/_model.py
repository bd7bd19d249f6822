"""The nouns of a conversation: what a model answered, whatever API it came through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that a model asks for.

    Attributes:
        id: As sent, empty where an API gives none.
        name: Of the tool.
        arguments: JSON text; as sent where the API sends text, else compact JSON of the value.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer reports; None where it does not say.

    Attributes:
        input_tokens: All of the prompt, cached parts included.
        output_tokens: All that was generated, reasoning included.
        cached_tokens: The part of the input that was read from a cache.
        cache_write_tokens: The part of the input that was written to a cache.
        reasoning_tokens: The part of the output that was reasoning.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the messages that an answer offers; most offer one.

    Attributes:
        text: What is said to the user, all text parts joined.
        reasoning: What the model shows of its thinking.
        tool_calls: In the order of the answer.
        finish: Why it ended, in the words of the API (``stop``, ``end_turn``, ``STOP``…); empty if unknown.
        refusal: What the model says instead when it refuses, where an API has a field for it.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    Attributes:
        provider: Dialect of the API: ``openai-chat``, ``openai-completions``, ``openai-responses``,
            ``anthropic``, ``gemini``, ``ollama``, ``bedrock`` or ``embeddings``; many a server speaks
            another's.
        model: As the answer names it, else as the address does; empty if neither.
        choices: One for each message offered; empty if there is none (embeddings, a blocked prompt).
        usage: Tokens, None if the answer reports none.
        value: The answer as one JSON value in the shape that the API gives without streaming, so that a
            path such as ``$.choices[0].message.content`` means the same for both.
        is_stream: Whether it came as events and was put together here.
        error: What went wrong in the middle of a stream; empty if nothing did.
    """

    provider: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None
    value: object
    is_stream: bool = False
    error: str = ""

    def first(self) -> Choice:
        """Return the first choice, an empty one if there is none."""
        return self.choices[0] if self.choices else Choice()

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return self.first().text

    @property
    def reasoning(self) -> str:
        """Reasoning of the first choice."""
        return self.first().reasoning

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Tool calls of the first choice."""
        return self.first().tool_calls

    @property
    def finish(self) -> str:
        """Why the first choice ended."""
        return self.first().finish

    @property
    def refusal(self) -> str:
        """Refusal of the first choice."""
        return self.first().refusal
