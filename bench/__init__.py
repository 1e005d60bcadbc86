"""What callpoint costs and how fast it is, side by side with what else there is: `make bench`.

The method and the last results are in README.md beside this file.
"""
