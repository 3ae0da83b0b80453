"""Operations on one warehouse that take turns as a test says: each stops before every step, and goes on when told to.

An operation is an `Actor`, a thread of its own. Its steps are its round trips to the warehouse (each statement, commit,
rollback and savepoint) and what the gateway of the test calls `step` for. While one actor runs, all others are stopped,
so an order of steps always gives the same result. An actor that waits for a lock of another, or sleeps, is `waiting`;
then the other has to go on. Reads of the platform are no steps: nothing here writes there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from evbilling.errors import EvbillingError
from evbilling.payments import collection
from evbilling.payments.gateway import interface

_connect = psycopg.connect
# Seconds until it is looked whether a statement that hasn't come back waits for a lock.
_LOOK_AFTER = 0.004
_PATIENCE = 30.0
_TEXT = 100


class Killed(BaseException):
    """The process of this actor is gone."""


class Actor(threading.Thread):
    """An operation that stops before each of its steps. `steps` counts those begun, `at` is the one it stops before.

    `seen` has each of them, and whether no transaction of the actor was open before it.
    """

    def __init__(self, stage: Stage, label: str, deed: Callable[[], object]) -> None:
        super().__init__(name=label, daemon=True)
        self.stage, self.label, self.deed = stage, label, deed
        self.steps = 0
        self.at = "its beginning"
        self.seen: list[tuple[str, bool]] = []
        self.is_dead = self.is_done = self.sleeps = False
        self.result: object = None
        self.error: BaseException | None = None
        self.pid: int | None = None
        self._stop_at: float = 0
        self._has_stopped, self._may_go = threading.Event(), threading.Semaphore(0)

    def run(self) -> None:
        try:
            self._park()
            self.result = self.deed()
        except BaseException as error:  # Killed too: whoever looks at the actor finds it.
            self.error = error
        self.is_done = True
        self._has_stopped.set()

    def step(self, text: str) -> None:
        """In the actor's thread: a step begins, once it may."""
        if self.is_dead:
            raise Killed
        self.at = text
        self.seen.append((text, self.stage.is_idle(self)))
        if self.steps >= self._stop_at:
            self._park()
        self.steps += 1
        self.stage.trace.append(f"{self.label:>12} {self.steps:3}  {text}")

    def sleep(self) -> None:
        """In the actor's thread: it waits for time to pass, or for another."""
        self.at, self.sleeps = "sleeps a moment", True
        self._park()
        self.sleeps = False

    def _park(self) -> None:
        self._has_stopped.set()
        self._may_go.acquire()
        if self.is_dead:
            raise Killed

    def advance(self, stop_at: float = float("inf")) -> str:
        """Let it go on until it has begun so many steps: `stopped`, `done`, `waiting` (for a lock) or `sleeping`."""
        if self.is_done:
            return "done"
        if not self.is_alive():
            self.start()
            self._await()
        self._stop_at = stop_at
        if self._has_stopped.is_set():
            if self.steps >= stop_at and not self.sleeps:
                return "stopped"
            self._has_stopped.clear()
            self._may_go.release()
        return self._await()

    def _await(self) -> str:
        waited = 0.0
        while not self._has_stopped.wait(_LOOK_AFTER):
            if self.stage.waits_for_lock(self):
                return "waiting"
            waited += _LOOK_AFTER
            assert waited < _PATIENCE, f"{self.label} neither stops nor waits: {self.at}\n{self.stage.story()}"
        return "done" if self.is_done else "sleeping" if self.sleeps else "stopped"

    def kill(self) -> None:
        """End its process: nothing that it has begun and not committed stays, and it does nothing more."""
        self.is_dead = True
        self.stage.cut_connections(self)
        if not self.is_done:
            self._may_go.release()
            self.join(_PATIENCE)
        self.stage.trace.append(f"{self.label:>12}      is killed before: {self.at}")


class _Stepped(psycopg.Connection[Any]):
    """A connection whose every round trip is a step of the actor that uses it."""

    doing = ""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        actor = threading.current_thread()
        if isinstance(actor, Actor):
            # Without a transaction these two do nothing.
            if self.doing not in {"commit", "rollback"} or self.pgconn.transaction_status != TransactionStatus.IDLE:
                actor.step(self.doing)
            actor.pid = self.pgconn.backend_pid
            try:
                return super().wait(gen, *args, **options)
            finally:
                actor.pid = None
                self.doing = "savepoint, or more of the same"
        return super().wait(gen, *args, **options)

    def commit(self) -> None:
        self.doing = "commit"
        super().commit()

    def rollback(self) -> None:
        self.doing = "rollback"
        super().rollback()


class _SteppedCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        self.connection.doing = _text(query, self)  # type: ignore[attr-defined]
        return super().execute(query, *args, **options)

    def executemany(self, query: Any, *args: Any, **options: Any) -> None:
        self.connection.doing = _text(query, self)  # type: ignore[attr-defined]
        super().executemany(query, *args, **options)

    def copy(self, statement: Any, *args: Any, **options: Any) -> Any:
        self.connection.doing = _text(statement, self)  # type: ignore[attr-defined]
        return super().copy(statement, *args, **options)


def _text(query: Any, cursor: Any) -> str:
    text = query if isinstance(query, str) else query.decode() if isinstance(query, bytes) else query.as_string(cursor)
    text = " ".join(re.sub(r"--.*", "", text).split())
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


class _Handle:
    """A connection lent to who asked for one: closed, it goes back, and keeps its plans for the next."""

    def __init__(self, stage: Stage, key: object, real: psycopg.Connection[Any]) -> None:
        self._stage, self._key, self.real = stage, key, real
        self.closed = self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        if self.closed:
            raise psycopg.OperationalError("the connection is closed")
        return getattr(self.real, name)

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if self.closed:
            return
        try:
            if kind is None:
                self.real.commit()
            else:
                with suppress(psycopg.Error):
                    self.real.rollback()
        finally:
            self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._stage.take_back(self._key, self)


@dataclass
class Stage:
    """The warehouse that actors share. `stepped` says which URLs are it; `url` is its superuser's."""

    url: str
    stepped: Callable[[str], bool]
    trace: list[str] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    _idle: dict[object, list[psycopg.Connection[Any]]] = field(default_factory=dict)
    _lent: dict[_Handle, Actor | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admin = _connect(self.url, autocommit=True)

    # ---- Connections

    def connect(self, conninfo: str = "", **options: Any) -> Any:
        """In place of `psycopg.connect`: actors borrow a connection, all others make one."""
        actor = threading.current_thread()
        if not isinstance(actor, Actor):
            return _connect(conninfo, **options)
        if actor.is_dead:
            raise Killed
        key = (conninfo, options.get("autocommit", False))
        if spare := self._idle.get(key):
            real = spare.pop()
        else:
            kind = _Stepped if self.stepped(conninfo) else psycopg.Connection
            real = kind.connect(conninfo, **options)
            real.cursor_factory = _SteppedCursor if kind is _Stepped else psycopg.Cursor
        handle = _Handle(self, key, real)
        self._lent[handle] = actor
        return handle

    def take_back(self, key: object, handle: _Handle) -> None:
        """A connection is returned; what it has open is rolled back, as it is by closing it."""
        self._lent.pop(handle, None)
        if handle.is_cut or handle.real.pgconn.transaction_status != TransactionStatus.IDLE:
            psycopg.Connection.close(handle.real)
        else:
            self._idle.setdefault(key, []).append(handle.real)

    def cut_connections(self, of: Actor | None = None) -> None:
        """Cut the connections of an actor, or of all; returns when the server has rolled back what they had open."""
        for handle in [handle for handle, actor in self._lent.items() if of in {None, actor}]:
            if not handle.is_cut:
                self.admin.execute("select pg_terminate_backend(%s, 10000)", (handle.real.pgconn.backend_pid,))
            handle.is_cut = True
            if of is not None:
                handle.closed = True
                psycopg.Connection.close(handle.real)
                del self._lent[handle]

    def is_idle(self, actor: Actor) -> bool:
        """True if the actor has no transaction open."""
        return all(
            handle.real.pgconn.transaction_status == TransactionStatus.IDLE
            for handle, owner in self._lent.items()
            if owner is actor
        )

    def waits_for_lock(self, actor: Actor) -> bool:
        """True if the actor's statement waits for a lock that another actor has."""
        if (pid := actor.pid) is None:
            return False
        others = [handle.real.pgconn.backend_pid for handle, owner in list(self._lent.items()) if owner is not actor]
        # Not for a lock of the server's own, such as that of a vacuum, which ends by itself.
        query = "select pg_blocking_pids(%s) && %s::integer[]"
        return bool(self.admin.execute(query, (pid, others)).fetchone()[0])  # type: ignore[index]

    def close(self) -> None:
        """Close all connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()
        self.admin.close()

    # ---- Turns

    def enter(self, label: str, deed: Callable[[], object]) -> Actor:
        """An operation that is ready to begin."""
        actor = Actor(self, label, deed)
        self.actors.append(actor)
        return actor

    def clear(self) -> None:
        """End the actors that haven't, after a fault of the harness; forget them and the trace."""
        for actor in self.actors:
            if actor.is_alive():
                actor.kill()
        self.actors.clear()
        self.trace.clear()

    def finish(self, actor: Actor, beside: Actor | None, pass_time: Callable[[], None]) -> None:
        """Let an actor go to its end; `beside` goes on as far as the actor waits for it."""
        sleeps = 0
        while (state := actor.advance()) != "done":
            if state == "sleeping" and (beside is None or beside.is_done):
                sleeps += 1
                assert sleeps < 5, f"{actor.label} sleeps for ever\n{self.story()}"
                pass_time()
            elif state == "sleeping":
                assert beside is not None
                self.finish(beside, None, pass_time)
            else:
                assert beside is not None, self.story()
                assert not beside.is_done, self.story()
                # If both wait for each other, Postgres ends one of them, and `advance` sees that.
                beside.advance(beside.steps + 1)

    def story(self) -> str:
        """The steps so far, one a line."""
        return "\n".join(self.trace)


def crashed(actor: Actor) -> BaseException | None:
    """The error of an actor that is neither one of ours nor its death."""
    return None if isinstance(actor.error, EvbillingError | Killed | None) else actor.error


class _AtOnce:
    """In place of a pool of threads: a call is made by who submits it, so that an operation is one thread."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> _AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, deed: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(deed(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class Clocks:
    """The worker's clocks, which can be put forward: the wall's, and the one that doesn't count a machine's sleep."""

    wall: float = 0.0
    steady: float = 0.0


@contextmanager
def taking_turns(stage: Stage, clocks: Clocks) -> Generator[None]:
    """Within, operations of `evbilling.payments` run as actors of `stage`, by `clocks`."""
    moved = {
        interface.time.time: lambda: interface.time.time() + clocks.wall,
        interface.time.monotonic: lambda: interface.time.monotonic() + clocks.steady,
    }

    def sleep(_seconds: float) -> None:
        actor = threading.current_thread()
        assert isinstance(actor, Actor)
        actor.sleep()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg, "connect", stage.connect)
        patch.setattr(collection, "ThreadPoolExecutor", _AtOnce)
        patch.setattr(collection, "time", SimpleNamespace(sleep=sleep, monotonic=interface.time.monotonic))
        # As many clocks as the lease really has.
        (ours,) = interface.Lease.__init__.__defaults__ or ((),)
        patch.setattr(interface.Lease.__init__, "__defaults__", (tuple(moved[clock] for clock in ours),))
        yield
