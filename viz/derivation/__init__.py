"""``derive``: the chain rule written out as on paper."""
