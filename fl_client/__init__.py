"""One hospital: lends ``luna16`` to Flower on the scans that never leave it."""
