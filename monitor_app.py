"""The monitor's entry: imported, it is the server's application; run by Streamlit, it draws a page.

Start it with ``fl-monitor``.
"""

import streamlit as st
from starlette.middleware import Middleware

from fl_core.config import home_folder
from fl_monitor.navigation import show_page
from fl_monitor.routes import make_routes
from fl_monitor.scan_jobs import searching
from fl_monitor.service import service_of
from fl_monitor.shield import Shield

if __name__ == "__main__":
    show_page()
else:
    service = service_of(home_folder())
    app = st.App(
        __file__,
        routes=make_routes(service),
        middleware=[Middleware(Shield)],
        lifespan=lambda _app: searching(service.scans, service.store, service.home),
    )
