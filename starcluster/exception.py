"""Every error that this program raises on purpose.

BaseException                     .msg .hint .exit_code
├── UsageError                    the words of the command are wrong: exit 2
│   └── InvalidAlias  WishError
├── ConfigError                   a config file or train.cfg: file, section, setting
│   ├── ConfigNotFound
│   ├── ConfigSectionMissing      ClusterTemplateDoesNotExist, KeyNotFound, PluginNotFound ...
│   └── ConfigSettingError
├── AWSError                      EC2 said no
│   ├── TransientError            the same call may be made again
│   ├── ShortageError             ask elsewhere: another type, zone or market
│   ├── UserMustAct               quota, permission, credentials, bad parameter: exit 3 from the driver
│   │   ├── QuotaError  PermissionDenied  CredentialsError
│   ├── NotFoundError             InstanceDoesNotExist VolumeDoesNotExist SecurityGroupDoesNotExist ...
│   ├── UnknownError              a code that this program does not know: wait, and say so
│   ├── TokenSpent                the client token belongs to other parameters or to a dead instance
│   └── ConflictError             the thing is in another state, or held by somebody else
├── SSHError                      SSHConnectionError SSHAuthException HostKeyMismatch RemoteCommandFailed ...
├── ClusterError                  ClusterDoesNotExist ClusterExists ClusterNotRunning MasterDoesNotExist ...
├── ValidationError               ClusterValidationError: a launch that can not go well
├── SyncError                     a folder and its bucket are not in step; nothing was lost
│   └── SyncRefused               which only the user can change: also a UserMustAct
├── PluginError                   PluginLoadError PluginSyntaxError
├── WaitTimeout                   a wait with a limit ran out: SSHNeverOpened VolumeStuck
├── ThreadPoolException           what went wrong on several nodes at once
├── LocalCloudError               the local cloud is down or can not run here
└── RecordError                   a cluster's record is unreadable (IncompatibleCluster) or newer than we are

A message says what happened and to what; the hint says what to do. Only starcluster/cli.py prints them.
"""

from __future__ import annotations

from collections.abc import Sequence


class BaseException(Exception):  # noqa: A001  StarCluster's own name, old plugins catch it
    """Root of the tree."""

    exit_code = 1

    def __init__(self, msg: object = "", *args: object, hint: str = "") -> None:
        super().__init__(msg, *args)
        self.msg = str(msg)
        self.hint = hint

    def __str__(self) -> str:
        return self.msg

    def explain(self) -> str:
        """The message and, on further lines, what to do about it."""
        return f"{self.msg}\n{self.hint}" if self.hint else self.msg


class UsageError(BaseException):
    """`usage`: the usage line of the verb whose words they are."""

    exit_code = 2
    usage = ""


class WishError(UsageError):
    """The train.cfg that the words name says what can not be meant."""


class InvalidAlias(UsageError):
    def __init__(self, alias: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"'{alias}' can not be a node's name: {why}", hint=hint)
        self.alias = alias


class ConfigError(BaseException):
    """A fault in a file that the user wrote; says where."""

    def __init__(
        self, msg: object = "", *args: object, file: str = "", section: str = "", setting: str = "", hint: str = ""
    ) -> None:
        where = [word for word in (file, f"[{section}]" if section else "", setting) if word]
        super().__init__(": ".join([" ".join(where), str(msg)]) if where else msg, *args, hint=hint)
        self.what = str(msg)
        self.file, self.section, self.setting = file, section, setting


class ConfigNotFound(ConfigError): ...


class ConfigSectionMissing(ConfigError): ...


class ConfigSettingError(ConfigError): ...


class ClusterTemplateDoesNotExist(ConfigSectionMissing): ...


class KeyNotFound(ConfigSectionMissing): ...


class PluginNotFound(ConfigSectionMissing): ...


class NoDefaultTemplateFound(ConfigError): ...


class AWSError(BaseException):
    """EC2's answer, translated; `code` is EC2's own word for it."""

    def __init__(self, msg: object = "", *args: object, code: str = "", hint: str = "") -> None:
        super().__init__(msg, *args, hint=hint)
        self.code = code


class TransientError(AWSError): ...


class ShortageError(AWSError): ...


class UserMustAct(AWSError): ...


class QuotaError(UserMustAct): ...


class PermissionDenied(UserMustAct): ...


class CredentialsError(UserMustAct): ...


class UnknownError(AWSError): ...


class TokenSpent(AWSError): ...


class ConflictError(AWSError): ...


class InvalidOperation(ConflictError): ...


class NotFoundError(AWSError): ...


class InstanceDoesNotExist(NotFoundError): ...


class VolumeDoesNotExist(NotFoundError): ...


class SecurityGroupDoesNotExist(NotFoundError): ...


class KeyPairDoesNotExist(NotFoundError): ...


class ImageDoesNotExist(NotFoundError): ...


class ZoneDoesNotExist(NotFoundError): ...


class RegionDoesNotExist(NotFoundError): ...


class SubnetDoesNotExist(NotFoundError): ...


class SpotHistoryError(AWSError): ...


class PropagationException(TransientError): ...


class InstanceNotRunning(ConflictError): ...


class KeyPairAlreadyExists(ConflictError): ...


class SSHError(BaseException): ...


class SSHConnectionError(SSHError): ...


class SSHAuthException(SSHError): ...


class SSHNoCredentialsError(SSHError): ...


class SSHAccessDeniedViaAuthKeys(SSHError): ...


class HostKeyMismatch(SSHError):
    """The node shows another key than the one that its console printed."""


class SCPException(SSHError): ...


class RemoteCommandFailed(SSHError):
    """A command on a node ended non-zero."""

    def __init__(self, msg: object, command: str = "", exit_status: int = 1, output: str = "") -> None:
        super().__init__(msg)
        self.command, self.exit_status, self.output = command, exit_status, output


class RemoteCommandNotFound(SSHError): ...


class CommandNotFound(BaseException): ...


class ClusterError(BaseException): ...


class ClusterDoesNotExist(ClusterError): ...


class ClusterExists(ClusterError): ...


class ClusterNotRunning(ClusterError): ...


class NodeDoesNotExist(ClusterError): ...


class NoLog(ClusterError):
    """That attempt of a node's command has written nothing."""


class ValidationError(BaseException): ...


class ClusterValidationError(ValidationError): ...


class MasterDoesNotExist(ClusterValidationError): ...


class InvalidZone(ClusterValidationError): ...


class VolumesZoneError(ClusterValidationError): ...


class InvalidPortRange(ConfigSettingError, ClusterValidationError): ...


class KeyFileError(ClusterValidationError):
    """The private key file is missing, unreadable, readable by others, or another key than EC2's."""


class SyncError(BaseException):
    """A node's folder and its bucket could not be brought in step; both are as they were."""


class SyncRefused(SyncError, UserMustAct):
    """No keys, no right, no such bucket, a full disk: no other try, and no other machine, ends better."""


class PluginError(BaseException): ...


class PluginLoadError(PluginError): ...


class PluginSyntaxError(PluginError): ...


class WaitTimeout(BaseException):
    """Waited for `what` as long as its limit says."""


class SSHNeverOpened(WaitTimeout):
    """The instance runs and lets nobody in."""


class VolumeStuck(WaitTimeout):
    """EC2 has been attaching a volume without end, more than once."""


class LocalCloudError(BaseException): ...


class RecordError(BaseException): ...


class IncompatibleCluster(RecordError): ...


class ExperimentalFeature(BaseException): ...


class SupervisionError(BaseException):
    """The driver ends because the user must act first."""

    exit_code = 3


class ThreadPoolException(BaseException):
    """What went wrong in several jobs: `exceptions` holds (exception, traceback text, job id)."""

    def __init__(self, msg: object, exceptions: Sequence[tuple[Exception, str, str]] = ()) -> None:
        super().__init__(msg)
        self.exceptions = list(exceptions)

    def explain(self) -> str:
        return "\n".join([self.msg, *(f"{job}: {error}" for error, _, job in self.exceptions)])

    def format_excs(self) -> str:
        """All tracebacks, one after another, each headed by its job."""
        return "\n\n".join(f"error in {job}:\n{trace}" for _, trace, job in self.exceptions)


# what StarCluster raised besides: old plugins name them behind `except`
_NEVER_RAISED = frozenset(
    """AMIDoesNotExist AWSUserIdRequired BucketAlreadyExists BucketDoesNotExist CancelledCreateImage
    CancelledCreateVolume CancelledEBSImageCreation CancelledS3ImageCreation CancelledStartRequest
    ClusterReceiptError ConfigHasNoSections EC2CertDoesNotExist EC2CertRequired EC2PrivateKeyDoesNotExist
    EC2PrivateKeyRequired IncompatibleSettings InvalidBucketName InvalidCIDRSpecified InvalidDevice
    InvalidHostname InvalidImageName InvalidIsoDate InvalidPartition InvalidProtocol NoClusterNodesFound
    NoClusterSpotRequests PlacementGroupDoesNotExist SnapshotDoesNotExist""".split()
)


def __getattr__(name: str) -> type[BaseException]:
    if name not in _NEVER_RAISED:
        raise AttributeError(f"module 'starcluster.exception' has no attribute {name!r}")
    kind = type(name, (BaseException,), {"__doc__": "Raised by StarCluster only."})
    globals()[name] = kind  # the same one from now on
    return kind
