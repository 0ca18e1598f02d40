"""Videos and what is kept beside them: one port, a folder or S3 behind it, and a look at what a file really is.

Import from the modules: this package imports nothing, so that the folder store does not bring the AWS libraries.
"""
