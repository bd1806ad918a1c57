"""The tensor program that the passes make and the engines run: its statements, and what must hold in each."""
