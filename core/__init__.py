"""What every room builds on: the columns, a working folder, atomic files, column parts and locks.

Its modules are imported by their paths: `import twigma` passes through here, and must not wait for Arrow.
"""
