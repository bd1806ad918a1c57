"""Loops as machine code: lowered to LLVM's language, compiled, loaded, and kept on disk."""
