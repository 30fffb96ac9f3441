"""Rows into charts: pure functions that return Plotly figures, by the page they are on.

Every trace says in ``meta`` whose it is, so that the page can hide one site on all charts and draw the
federation in the ink of its theme. Zoom outlives new data because ``uirevision`` is the run.
"""
