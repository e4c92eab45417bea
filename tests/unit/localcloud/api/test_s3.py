"""S3 of the local cloud, asked by boto3 as a program on a node would."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from starcluster.localcloud.api import roles
from starcluster.localcloud.api.faults import Fault, When
from starcluster.localcloud.api.signature import BadSignature
from starcluster.localcloud.s3.blobs import Blobs
from starcluster.localcloud.s3.body import read_body
from starcluster.localcloud.s3.calls import S3Call
from starcluster.localcloud.s3.errors import S3Error
from starcluster.localcloud.s3.service import S3
from tests.unit.localcloud.api.conftest import Api, code_of

MIB = 1 << 20


@pytest.fixture
def s3(api: Api) -> Any:
    client = api.client("s3")
    client.create_bucket(Bucket="bucket")
    yield client
    api.faults.clear()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="bucket"):
        for one in page.get("Contents", []):
            client.delete_object(Bucket="bucket", Key=one["Key"])


def read(s3: Any, key: str, **more: Any) -> bytes:
    return s3.get_object(Bucket="bucket", Key=key, **more)["Body"].read()


def put(s3: Any, key: str, body: bytes = b"content", **more: Any) -> Any:
    return s3.put_object(Bucket="bucket", Key=key, Body=body, **more)


def test_what_is_put_is_there(s3: Any) -> None:
    etag = put(s3, "a b/ü+", b"content", ContentType="text/plain", Metadata={"who": "me"})["ETag"]
    found = s3.head_object(Bucket="bucket", Key="a b/ü+")
    assert (found["ETag"], found["ContentLength"], found["ContentType"]) == (etag, 7, "text/plain")
    assert found["Metadata"] == {"who": "me"}
    assert etag == f'"{hashlib.md5(b"content").hexdigest()}"'
    assert read(s3, "a b/ü+") == b"content"
    put(s3, "a b/ü+", b"other")
    assert read(s3, "a b/ü+") == b"other"


def test_ranges(s3: Any) -> None:
    put(s3, "k", b"0123456789")
    assert read(s3, "k", Range="bytes=2-4") == b"234"
    assert read(s3, "k", Range="bytes=7-99") == b"789"
    assert read(s3, "k", Range="bytes=-3") == b"789"
    assert s3.get_object(Bucket="bucket", Key="k", Range="bytes=2-4")["ContentRange"] == "bytes 2-4/10"
    assert code_of(s3.get_object, Bucket="bucket", Key="k", Range="bytes=10-11") == "InvalidRange"


def test_only_if_there_is_none(s3: Any) -> None:
    put(s3, "once", b"first", IfNoneMatch="*")
    assert code_of(put, s3=s3, key="once", body=b"second", IfNoneMatch="*") == "PreconditionFailed"
    assert read(s3, "once") == b"first"


def test_a_body_in_parts(s3: Any, tmp_path: Path) -> None:
    content = os.urandom(13 * MIB)
    (tmp_path / "big").write_bytes(content)
    s3.upload_file(str(tmp_path / "big"), "bucket", "big", Config=TransferConfig(multipart_chunksize=5 * MIB))
    assert s3.head_object(Bucket="bucket", Key="big")["ETag"].endswith('-3"')
    assert read(s3, "big") == content
    start, end = 5 * MIB - 10, 10 * MIB + 10
    assert read(s3, "big", Range=f"bytes={start}-{end}") == content[start : end + 1]


def test_an_upload_that_is_not_finished_is_no_object(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="bucket", Key="half")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="half", UploadId=upload, PartNumber=1, Body=b"x")
    assert code_of(s3.get_object, Bucket="bucket", Key="half") == "NoSuchKey"
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="bucket")["Uploads"]] == ["half"]
    assert [one["Size"] for one in s3.list_parts(Bucket="bucket", Key="half", UploadId=upload)["Parts"]] == [1]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"0"'}]}
    finish = {"Bucket": "bucket", "Key": "half", "UploadId": upload}
    assert code_of(s3.complete_multipart_upload, **finish, MultipartUpload=wrong) == "InvalidPart"
    two = {"Parts": [{"PartNumber": number, "ETag": part["ETag"]} for number in (2, 1)]}
    assert code_of(s3.complete_multipart_upload, **finish, MultipartUpload=two) == "InvalidPartOrder"
    s3.abort_multipart_upload(**finish)
    assert code_of(s3.list_parts, **finish) == "NoSuchUpload"


def test_listing_in_pages(s3: Any) -> None:
    keys = ["a", "b/1", "b/2", "b/3", "c", "d/x/1", "e"]
    for key in keys:
        put(s3, key)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", PaginationConfig={"PageSize": 2})
    assert [one["Key"] for page in pages for one in page["Contents"]] == keys
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", Delimiter="/", PaginationConfig={"PageSize": 2})
    )
    assert [one["Key"] for page in pages for one in page.get("Contents", [])] == ["a", "c", "e"]
    assert [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])] == ["b/", "d/"]
    assert len(pages) == 3
    below = s3.list_objects_v2(Bucket="bucket", Prefix="b/", StartAfter="b/1")
    assert [one["Key"] for one in below["Contents"]] == ["b/2", "b/3"]
    assert [one["Key"] for one in s3.list_objects(Bucket="bucket", Prefix="d")["Contents"]] == ["d/x/1"]


def test_copies_and_deletions(s3: Any) -> None:
    put(s3, "one", b"content", Metadata={"a": "b"})
    s3.copy_object(Bucket="bucket", Key="two", CopySource={"Bucket": "bucket", "Key": "one"})
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "one"}, {"Key": "never"}]})
    assert code_of(s3.get_object, Bucket="bucket", Key="one") == "NoSuchKey"
    assert read(s3, "two") == b"content"
    assert s3.head_object(Bucket="bucket", Key="two")["Metadata"] == {"a": "b"}
    assert code_of(s3.delete_bucket, Bucket="bucket") == "BucketNotEmpty"


def test_refusals(api: Api, s3: Any) -> None:
    assert code_of(s3.list_objects_v2, Bucket="nobodys") == "NoSuchBucket"
    assert code_of(s3.head_bucket, Bucket="nobodys") == "404"
    assert code_of(s3.get_bucket_policy, Bucket="bucket") == "NotImplemented"
    assert code_of(put, s3=api.client("s3", aws_secret_access_key="guess"), key="k") == "SignatureDoesNotMatch"
    assert code_of(put, s3=s3, key="k", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==") == "BadDigest"
    assert code_of(s3.head_object, Bucket="bucket", Key="k") == "404"


def test_a_body_that_is_not_the_signed_one_is_refused(api: Api, s3: Any) -> None:
    def change(request: Any, **_: Any) -> None:
        request.body = b"changed"

    s3.meta.events.register("before-send.s3.PutObject", change)
    assert code_of(put, s3=s3, key="k", body=b"content") == "XAmzContentSHA256Mismatch"
    s3.meta.events.unregister("before-send.s3.PutObject", change)
    assert code_of(s3.head_object, Bucket="bucket", Key="k") == "404"


def test_a_bucket_of_another_region(api: Api, s3: Any) -> None:
    s3.create_bucket(Bucket="there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert api.client("s3", region_name="eu-west-1").list_objects_v2(Bucket="there")["KeyCount"] == 0
    seen: list[int] = []
    s3.meta.events.register(
        "response-received.s3", lambda response_dict, **_: seen.append(response_dict["status_code"])
    )
    assert s3.list_objects_v2(Bucket="there")["KeyCount"] == 0  # botocore goes where the answer sends it
    assert seen == [301, 200]


def test_connections_are_kept(api: Api, s3: Any) -> None:
    put(s3, "k")
    presigner = api.client("s3", config=Config(signature_version="s3v4"))
    link = presigner.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
    connection = http.client.HTTPConnection("127.0.0.1", int(api.endpoint.rpartition(":")[2]))
    for _ in range(2):
        connection.request("GET", link.removeprefix(api.endpoint))
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Connection")) == (200, b"content", None)
    connection.close()


def strike(api: Api, action: str, code: str, *, when: When = When.BEFORE, skip: int = 0, times: int = 1) -> None:
    api.faults.add(
        Fault(action=action, code=code, status=500, message="ordered", times=times, probability=1, when=when, skip=skip)
    )


def test_a_connection_cut_while_the_body_is_sent(api: Api, s3: Any) -> None:
    strike(api, "PutObject", "ConnectionReset", skip=1)
    put(s3, "first")
    with pytest.raises((ConnectionClosedError, OSError)):
        put(s3, "cut", os.urandom(3 * MIB))
    assert code_of(s3.head_object, Bucket="bucket", Key="cut") == "404"


def test_an_answer_that_is_lost(api: Api, s3: Any) -> None:
    strike(api, "s3:*", "ConnectionReset", when=When.AFTER)
    with pytest.raises((ConnectionClosedError, ReadTimeoutError, OSError)):
        put(s3, "k")
    assert read(s3, "k") == b"content"


def test_half_of_an_object(api: Api, s3: Any) -> None:
    put(s3, "k", os.urandom(MIB))
    strike(api, "GetObject", "CutAnswer", when=When.AFTER)
    body = s3.get_object(Bucket="bucket", Key="k")["Body"]
    with pytest.raises(Exception, match=r"IncompleteRead|Connection|bytes"):
        body.read()


def test_an_error_on_order(api: Api, s3: Any) -> None:
    strike(api, "PutObject", "SlowDown")
    assert code_of(put, s3=s3, key="k") == "SlowDown"
    strike(api, "*", "SlowDown")  # EC2's
    put(s3, "k")


def test_what_is_put_outlives_the_daemon(tmp_path: Path, api: Api) -> None:
    """Index and blobs are opened again as a kill has left them; a draft and an unknown blob go."""
    first = S3(tmp_path)

    def ask(s3: S3, method: str, path: str, body: bytes = b"") -> Any:
        headers = {"content-length": str(len(body))}
        call = S3Call.read(
            method=method, path=path, query="", headers=headers, source=io.BytesIO(body), region="us-east-1"
        )
        return s3.answer(call, lambda action, resource: True)

    assert ask(first, "PUT", "/bucket").status == 200
    assert ask(first, "PUT", "/bucket/key", b"content").status == 200
    stray = Blobs(tmp_path / "blobs").take([b"nobody's"])
    (tmp_path / "blobs" / "drafts" / "torn").write_bytes(b"half")
    second = S3(tmp_path)
    with contextlib.closing(ask(second, "GET", "/bucket/key").body) as body:
        assert b"".join(body) == b"content"
    assert not (tmp_path / "blobs" / stray.name[:2] / stray.name).exists()
    assert list((tmp_path / "blobs" / "drafts").iterdir()) == []
    first.close()
    second.close()


@pytest.fixture
def role(api: Api) -> Iterator[str]:
    """A role that may put and read below data/, on an instance of its own."""
    iam = api.client("iam")
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument="{}")
    policy = """{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::bucket/data/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket",
         "Condition": {"StringLike": {"s3:prefix": "data/*"}}},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*/secret"}]}"""
    iam.put_role_policy(RoleName="worker", PolicyName="data", PolicyDocument=policy)
    iam.create_instance_profile(InstanceProfileName="workers")
    iam.add_role_to_instance_profile(InstanceProfileName="workers", RoleName="worker")
    yield api.running(IamInstanceProfile={"Name": "workers"})
    iam.delete_role_policy(RoleName="worker", PolicyName="data")
    iam.remove_role_from_instance_profile(InstanceProfileName="workers", RoleName="worker")
    iam.delete_instance_profile(InstanceProfileName="workers")
    iam.delete_role(RoleName="worker")


def test_the_role_of_an_instance(api: Api, s3: Any, role: str) -> None:
    keys = json.loads(api.hosts.metadata[role]["iam"]["security-credentials"]["worker"])
    ours = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["Token"],
    }
    theirs = api.client("s3", **ours)
    put(theirs, "data/k")
    assert read(theirs, "data/k") == b"content"
    assert theirs.list_objects_v2(Bucket="bucket", Prefix="data/")["KeyCount"] == 1
    assert code_of(theirs.list_objects_v2, Bucket="bucket") == "AccessDenied"
    assert code_of(theirs.get_object, Bucket="bucket", Key="data/none") == "AccessDenied"
    assert code_of(put, s3=theirs, key="elsewhere") == "AccessDenied"
    assert code_of(put, s3=theirs, key="data/secret") == "AccessDenied"
    assert code_of(theirs.delete_object, Bucket="bucket", Key="data/k") == "AccessDenied"
    errors = theirs.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "data/k"}]})["Errors"]
    assert [one["Code"] for one in errors] == ["AccessDenied"]
    assert code_of(api.client("ec2", **ours).describe_instances) == "UnauthorizedOperation"
    assert api.client("sts", **ours).get_caller_identity()["Account"]
    forged = ours | {"aws_session_token": keys["Token"][:-1] + ("0" if keys["Token"][-1] != "0" else "1")}
    assert code_of(api.client("s3", **forged).list_buckets) == "InvalidToken"
    assert code_of(put, s3=api.client("s3", **(ours | {"aws_secret_access_key": "guess"})), key="data/k") == (
        "SignatureDoesNotMatch"
    )


def test_keys_run_out(api: Api) -> None:
    made = roles.mint(api.cloud.keys, "worker", "i-1", 1000.0)
    assert roles.caller_of(api.cloud.keys, made.access_key, made.token, made.expires - 1).role == "worker"
    with pytest.raises(BadSignature) as caught:
        roles.caller_of(api.cloud.keys, made.access_key, made.token, made.expires + 1)
    assert caught.value.code == "ExpiredToken"


def test_unsigned_chunks_with_a_checksum(api: Api) -> None:
    """The form of clients that do not know the body's length ahead, as Mountpoint."""
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
    good = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:hYfRFg==\r\n\r\n"
    assert b"".join(read_body(io.BytesIO(good.replace(b"hYfRFg==", crc(b"abcde"))), headers)) == b"abcde"
    with pytest.raises(S3Error, match="BadDigest"):
        list(read_body(io.BytesIO(good), headers))
    with pytest.raises(S3Error, match="IncompleteBody"):
        list(read_body(io.BytesIO(good[:7]), headers))


def crc(content: bytes) -> bytes:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big"))
