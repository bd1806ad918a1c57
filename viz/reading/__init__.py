"""What is known of a graph's nodes before anything is drawn: names, modules, operations, shapes that repeat."""
