"""The console: pages for browsers, in a process of its own, over the HTTP API alone.

The server renders HTML (Jinja2); the browser replaces parts of pages by it (htmx) and draws charts (uPlot). Whatever
is asked of the API for several browsers is asked once.
"""
