"""Maps of one place on several dates: are they in register, what became what, and what became of each mine."""
