"""Agents of any framework as handlers: `handler: penstock.agents.<framework>:agent`, one lazy module each."""
