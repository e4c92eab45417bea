"""What is done while logins are possible already: late files, packages, runcmd and the user's scripts."""

import shutil

from starcluster.localcloud.hosts.cloudinit_config import install_script, shell_script, write_file
from starcluster.localcloud.hosts.cloudinit_start import Start
from starcluster.localcloud.hosts.cloudinit_userdata import Kind
from starcluster.localcloud.hosts.cloudinit_users import as_list

APT_LIMIT = 1800.0
APT_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}


def final_stage(start: Start) -> None:
    """Scripts of every boot, then what is meant once per instance."""
    _run_scripts(start, "per-boot", {Kind.PER_BOOT})
    if start.done("final"):
        return
    start.mark("final")  # before: a script that powers the node off must not do so at every start
    for entry in as_list(start.asked.config.get("write_files")):
        if isinstance(entry, dict) and entry.get("defer") and entry.get("path"):
            write_file(entry, start.journal)
    _install_packages(start)
    if start.asked.config.get("runcmd"):
        text = shell_script(start.asked.config["runcmd"])
        install_script(start.directory / "scripts" / "runcmd", text.encode())
    _run_scripts(start, "scripts", {Kind.SCRIPT, Kind.PER_INSTANCE, Kind.PER_ONCE})


def _run_scripts(start: Start, folder: str, kinds: set[Kind]) -> None:
    """Run them in the order of their names, as run-parts does; runcmd comes after part-NNN."""
    directory = start.directory / folder
    for script in start.asked.scripts:
        if script.kind in kinds:
            install_script(directory / script.name, script.data)
    for path in sorted(directory.glob("*")):
        status = start.journal.run([str(path)], env=start.environment)
        if status != 0:
            start.journal.error(f"{folder}/{path.name} ended with {status}")


def _install_packages(start: Start) -> None:
    names = [str(name) for name in as_list(start.asked.config.get("packages"))]
    wanted = [name for name in names if not _is_installed(start, name)]
    refresh = start.asked.config.get("package_update") or start.asked.config.get("package_upgrade")
    if not wanted and not refresh:
        return
    if shutil.which("apt-get") is None:
        start.journal.warn(f"packages: there is no apt-get here to install {' '.join(wanted)}")
        return
    environment = {**start.environment, **APT_ENVIRONMENT}
    commands = [["apt-get", "-q", "update"]]
    if start.asked.config.get("package_upgrade"):
        commands.append(["apt-get", "-q", "-y", "upgrade"])
    if wanted:
        commands.append(["apt-get", "-q", "-y", "install", *wanted])
    for command in commands:
        if start.journal.run(command, env=environment, limit=APT_LIMIT) != 0:
            start.journal.warn(
                f"packages: {' '.join(command)} failed; a node installs from the network only "
                "where the local cloud was started with --packages"
            )
            return


def _is_installed(start: Start, name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${Version} is there\\n", name]
    return start.journal.run(query, env=start.environment) == 0
