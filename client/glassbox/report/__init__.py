"""A version's report: one HTML page without scripts and external resources.

Its charts are SVG, its images data URIs. `page` joins the sections, which have a module each; `markup` escapes every
text of the server.
"""

from glassbox.report.page import page

__all__ = ["page"]
