"""How fast greenlane reads notes and what it needs for it, beside the field's other readers."""
