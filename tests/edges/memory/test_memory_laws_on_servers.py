"""Every backend keeps the laws of memory on its real server."""

from __future__ import annotations

import asyncio

import pytest

from penstock.testing.memory_laws import LAWS


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_law_is_kept(backend, law):
    async def held() -> None:
        await backend.open()
        try:
            await law(backend)
        finally:
            await backend.close()

    asyncio.run(held())


def test_opening_and_closing_may_repeat(backend):
    async def scenario() -> None:
        await backend.open()
        await backend.close()
        await backend.close()
        await backend.open()
        assert await backend.scopes() == []
        await backend.close()

    asyncio.run(scenario())
