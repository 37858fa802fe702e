"""What the project must show about size, start, memory and speed; `python -m bench` measures it."""
