"""The formats of reports: Markdown, LaTeX, CSV, terminal, files."""
