"""A bucket, and the role by which nodes may use it: what docs/s3.md has the user do once."""

from __future__ import annotations

import json

from tests.rehearsal.train.conftest import Scene

BUCKET = "results-of-mine"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": f"arn:aws:s3:::{BUCKET}",
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        },
    ],
}


def make_bucket_and_role(scene: Scene) -> None:
    scene.foreign("s3").create_bucket(Bucket=BUCKET)
    iam = scene.foreign("iam")
    iam.create_role(RoleName="nodes", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    iam.put_role_policy(RoleName="nodes", PolicyName="bucket", PolicyDocument=json.dumps(POLICY))
    iam.create_instance_profile(InstanceProfileName="nodes")
    iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
