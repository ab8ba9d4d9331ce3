"""Fakes that tests run against: a scriptable OpenAI-compatible backend on a real socket. See README.md."""

from tests.fakes.actions import close, finish, hang, pause, reset
from tests.fakes.answers import Answer, Raw, Status, sse
from tests.fakes.backend import FakeBackend
from tests.fakes.records import Record
from tests.fakes.reply import OMIT, Reply, Sse

__all__ = ["OMIT", "Answer", "FakeBackend", "Raw", "Record", "Reply", "Sse", "Status", "close", "finish", "hang", "pause", "reset", "sse"]
