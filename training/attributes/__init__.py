"""Vehicle attributes: type, make and model, colour, orientation."""
