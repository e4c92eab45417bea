"""The source of users' plugins: which Python it is in, and Python 2 made to run on Python 3.

Only files of the user's own plugin folders go through here; installed packages never do.
"""
