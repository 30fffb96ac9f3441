"""LUNA16 from disk to score: scans, patches, training and evaluation, with no federation in sight."""
