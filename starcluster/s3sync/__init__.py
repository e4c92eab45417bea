"""What keeps a folder of a node in S3: runs there, with botocore beside it (cluster/s3program.py brings both).

Imports the standard library, botocore and itself only; Python as botocore wants it.
"""
