"""A version's report: one HTML page with all that is known of it, which asks nobody for anything.

It has no script and no outside part: its curves are SVG, its pictures data URIs. `page` puts the sections together,
each of which has a module; `markup` escapes whatever a server says.
"""

from glassbox.report.page import page

__all__ = ["page"]
