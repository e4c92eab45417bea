"""How AWS is called: which client, how often it tries, whole lists, and errors in our own words."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from starcluster import __version__, exception
from starcluster.aws.bucket import Limiter, limiter_for
from starcluster.aws.errors import encoded_denial, failures, translate
from starcluster.logger import log
from starcluster.ownfolder import home

if TYPE_CHECKING:
    from botocore.config import Config

Answer = dict[str, Any]
_EMPTY_FILE = "/dev/null"


class Access(Protocol):
    """What the door needs of starcluster.cloud.Cloud."""

    @property
    def region(self) -> str: ...
    @property
    def endpoint_url(self) -> str | None: ...
    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def session_token(self) -> str | None: ...
    @property
    def profile(self) -> str | None: ...
    @property
    def public(self) -> bool: ...
    @property
    def node_environment(self) -> Mapping[str, str]: ...
    @property
    def proxies(self) -> Mapping[str, str] | None: ...
    @property
    def verify(self) -> bool: ...
    @property
    def clock_scale(self) -> float: ...


class Api:
    """Clients made when first used, shared by threads (a botocore client may be).

    Three retry regimes (EC2 answers a shortage with HTTP 500, which botocore would hammer):
    launch = one try, read = six, change = five. Every try of a call to EC2 waits for its token (bucket.py).
    """

    page_size = 1000

    def __init__(self, access: Access) -> None:
        self.access = access
        self._clients: dict[tuple[str, int], Any] = {}
        self._session: Any = None
        self._lock = threading.Lock()

    def read(self, operation: str, *, what: str, service: str = "ec2", **params: Any) -> Answer:
        """One describe call."""
        return self._call(service, 6, operation, what, params)

    def change(self, operation: str, *, what: str, service: str = "ec2", **params: Any) -> Answer:
        """One call that changes something and may be repeated."""
        return self._call(service, 5, operation, what, params)

    def launch(self, operation: str, *, what: str, **params: Any) -> Answer:
        """One call, tried once: the caller decides what a refusal means."""
        return self._call("ec2", 1, operation, what, params)

    def price_list(self, **params: Any) -> Answer:
        """AWS's price list, asked once with short limits: nothing depends on its answer."""
        return self._call("pricing", 1, "get_products", "read the price list", params)

    def pages(
        self,
        operation: str,
        key: str,
        *,
        what: str,
        page_size: int | None = None,
        service: str = "ec2",
        **params: Any,
    ) -> list[Answer]:
        """Everything under `key` of all pages, or an error: never a part of the list."""
        config = {"PageSize": page_size} if page_size else {}
        try:
            pager = self._client_for(service, 6, operation).get_paginator(operation)
            pages = pager.paginate(PaginationConfig=config, **params)
            return [one for page in pages for one in page.get(key, ())]
        except failures() as error:
            raise self._in_our_words(error, what, params) from error

    def _call(self, service: str, attempts: int, operation: str, what: str, params: Answer) -> Answer:
        try:
            answer: Answer = getattr(self._client_for(service, attempts, operation), operation)(**params)
        except failures() as error:
            raise self._in_our_words(error, what, params) from error
        return answer

    def _in_our_words(self, error: Exception, what: str, params: Answer) -> exception.AWSError:
        encoded = encoded_denial(error) if self.access.public else ""
        action = self._denied_action(encoded) if encoded else ""
        told = translate(error, what=what, region=self.access.region, params=params, denied_action=action)
        if isinstance(told, exception.CredentialsError):
            self._forget_credentials()
        return told

    def _forget_credentials(self) -> None:
        """The next call reads them anew: who renews them writes them into a file that is read only once otherwise."""
        with self._lock:
            self._clients.clear()
            self._session = None

    def _denied_action(self, encoded: str) -> str:
        """Which action AWS denied, as far as we may know: reading that is a permission of its own."""
        unreadable: tuple[type[Exception], ...] = (*failures(), ValueError, KeyError, TypeError)
        try:
            answer = self.client("sts", 1).decode_authorization_message(EncodedMessage=encoded)
            return str(json.loads(answer["DecodedMessage"])["context"]["action"])
        except unreadable as error:
            log.debug("AWS's reason can not be read: %s", error)
            return ""

    def credentials(self) -> tuple[str, str, str]:
        """(key id, secret key, session token) that calls are signed with; CredentialsError when there are none."""
        with self._lock:
            self._session = self._session or _new_session(self.access)
            found = self._session.get_credentials()
        if found is None:
            raise exception.CredentialsError(
                "there are no AWS credentials", hint="set them in [aws info], or AWS_PROFILE"
            )
        frozen = found.get_frozen_credentials()
        return frozen.access_key, frozen.secret_key, frozen.token or ""

    def client(self, service: str, attempts: int) -> Any:
        with self._lock:
            found = self._clients.get((service, attempts))
            if found is None:
                found = self._new_client(service, attempts)
                self._clients[service, attempts] = found
            return found

    def _client_for(self, service: str, attempts: int, operation: str) -> Any:
        """A client that has the operation, if botocore knows it at all."""
        client = self.client(service, attempts)
        if hasattr(client, operation):
            return client
        with self._lock:
            self._clients.clear()
            self._session = _new_session(self.access, whole=True)
        return self.client(service, attempts)

    def _new_client(self, service: str, attempts: int) -> Any:
        if self._session is None:
            self._session = _new_session(self.access)
        # a private cloud answers for every service; AWS_REGION_HOST is the address of EC2 alone
        mine = service == "ec2" or not self.access.public
        client = self._session.create_client(
            service,
            endpoint_url=self.access.endpoint_url if mine else None,
            region_name="us-east-1" if service == "pricing" else self.access.region,
            verify=None if self.access.verify else False,
            config=_config(self.access, attempts, quick=service == "pricing"),
        )
        if service == "ec2":
            _limiter(self.access).attach(client)
        return client


def _limiter(access: Access) -> Limiter:
    account = (access.region, access.endpoint_url, access.access_key, access.profile)
    return limiter_for(*account, scale=access.clock_scale)


def _new_session(access: Access, *, whole: bool = False) -> Any:
    import botocore.session  # heavy, and not needed before the first call; boto3 adds S3's transfers to its weight

    if access.endpoint_url is None or access.public:
        core = botocore.session.Session(profile=access.profile)
    else:
        # nothing of the user's AWS set-up may leak into a private cloud, nor break it
        private: dict[str, tuple[Any, ...]] = {
            "profile": (None, None, None, None),
            "config_file": (None, None, _EMPTY_FILE, None),
            "credentials_file": (None, None, _EMPTY_FILE, None),
        }
        core = botocore.session.Session(session_vars=private)
    if not core.get_config_variable("data_path"):  # whoever has models of his own gets them
        core.register_component("data_loader", _loader(whole=whole))
    if access.access_key:
        core.set_credentials(access.access_key, access.secret_key or "", access.session_token)
    return core


def _loader(*, whole: bool) -> Any:
    from starcluster.aws.quickmodel import QuickLoader

    return QuickLoader(home() / "cache" / "botocore", _our_operations, whole=whole)


def _our_operations() -> list[str]:
    from starcluster.permissions import NEEDS  # not read at every start

    actions = (need.action.partition(":") for need in NEEDS if need.by_us)
    return [name for service, _, name in actions if service == "ec2"]


def _config(access: Access, attempts: int, *, quick: bool) -> Config:
    from botocore.config import Config

    private: dict[str, Any] = {}
    if not access.public:
        private = {"proxies": {}, "use_fips_endpoint": False, "use_dualstack_endpoint": False}
    elif access.proxies:
        private = {"proxies": dict(access.proxies)}
    return Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=2 if quick else 10,
        read_timeout=3 if quick else 60,
        max_pool_connections=32,
        user_agent_extra=f"starcluster-spot/{__version__}",
        **private,
    )
