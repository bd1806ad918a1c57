"""The explorer's page: alone in a file, in a notebook, and on a live graph."""
