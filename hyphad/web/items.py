"""The items of a generator, closed at its provider even where nobody has asked for the first."""

from collections.abc import AsyncGenerator, Callable
from typing import Any


class Items(AsyncGenerator[Any, None]):
    """An async generator over `inner`; `unused` is called where it is closed before it began.

    Python does not run a generator that is closed before its first step, not even its `finally`.
    """

    def __init__(self, inner: AsyncGenerator[Any, None], unused: Callable[[], None]) -> None:
        self._inner = inner
        self._unused = unused
        self._begun = False

    async def asend(self, value: None) -> Any:
        self._begun = True
        return await self._inner.asend(value)

    async def athrow(self, *error: Any) -> Any:
        self._begun = True
        return await self._inner.athrow(*error)

    async def aclose(self) -> None:
        if not self._begun:
            self._begun = True
            self._unused()
        await self._inner.aclose()
