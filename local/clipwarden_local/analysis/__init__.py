"""How videos are looked at: by a script that says what is in them, or by real frames and open models."""
