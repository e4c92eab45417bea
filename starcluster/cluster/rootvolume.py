"""ROOT_VOLUME_...: what is wrong with the root volume that a template asks for, told by the settings' names. Pure."""

from __future__ import annotations

from starcluster import exception
from starcluster.aws import shapes
from starcluster.model import RootVolume, VolumeShape

_SETTINGS = {"--iops": "ROOT_VOLUME_IOPS", "--throughput": "ROOT_VOLUME_THROUGHPUT", "--type": "ROOT_VOLUME_TYPE ="}


def check(wanted: RootVolume, *, least: int | None = None, section: str = "") -> None:
    """ConfigSettingError when EBS makes no such volume, or the image (`least` GiB) does not fit into it."""
    if wanted == RootVolume():
        return
    if wanted.size is not None and least is not None and wanted.size < least:
        raise exception.ConfigSettingError(
            f"{wanted.size} GB are too few for the image, which has {least} GB",
            section=section,
            setting="ROOT_VOLUME_SIZE",
            hint=f"take at least {least}, or leave it out",
        )
    size = wanted.size if wanted.size is not None else least
    kind = wanted.kind or shapes.DEFAULT
    if size is None:
        return
    try:
        shapes.check(VolumeShape(size=size, kind=kind, iops=wanted.iops, throughput=wanted.throughput))
    except exception.UserMustAct as error:
        raise exception.ConfigSettingError(
            _in_settings(error.msg), section=section, setting=_setting(wanted, error.msg), hint=_in_settings(error.hint)
        ) from error


def _setting(wanted: RootVolume, said: str) -> str:
    """The setting that the sentence is about."""
    if "MiB/s" in said or "throughput" in said:
        return "ROOT_VOLUME_THROUGHPUT"
    if "IOPS" in said or "iops" in said:
        return "ROOT_VOLUME_IOPS"
    return "ROOT_VOLUME_SIZE" if wanted.size is not None else "ROOT_VOLUME_TYPE"


def _in_settings(text: str) -> str:
    for option, setting in _SETTINGS.items():
        text = text.replace(option, setting)
    return text
