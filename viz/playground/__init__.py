"""The playground: a page on which one writes a formula or a program, and sees its graph as one types."""
