"""The pages of the monitor, one file each."""
