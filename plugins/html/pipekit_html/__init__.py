"""The look of pipekit's pages: templates, one stylesheet, and charts as SVG."""

from pipekit_html.environment import environment, file_page, resource

__all__ = ["environment", "file_page", "resource"]
