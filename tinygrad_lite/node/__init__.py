"""What a Value is besides its mathematics: what it holds, how it is read, and what files above the engine do for it."""
