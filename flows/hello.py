"""The smallest flow: `headrace run flows/hello.py name=Ada`."""

from engine import flow, task


@task
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@flow
async def hello(name: str = "world") -> str:
    return await greet(name)
