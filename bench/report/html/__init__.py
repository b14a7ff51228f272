"""The whole report as one page that needs no network."""

from bench.report.html.write import write_page

__all__ = ["write_page"]
