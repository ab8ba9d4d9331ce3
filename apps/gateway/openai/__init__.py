"""OpenAI's dialect: what its endpoints accept, and what of an answer its clients see. Pure: no I/O."""
