"""From lines to rows: compiled, or with numpy."""
