"""Every name that StarCluster gave its plugins, and what docs/plugin-api.md says of each."""

from __future__ import annotations

import re
from pathlib import Path

DOC = Path(__file__).parents[2] / "docs" / "plugin-api.md"
_ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$")

# section of the document -> names
NAMES = {
    section: words.split()
    for section, words in {
        "Hooks": "__init__ run on_add_node on_remove_node on_restart on_shutdown",
        "Node: attributes": """
            alias id state ssh ec2 instance instance_type image_id key_name key_location user tags groups cluster_groups
            parent_cluster ip_address private_ip_address dns_name public_dns_name private_dns_name
            private_dns_name_short addr network_names placement region arch kernel ramdisk launch_time
            local_launch_time uptime ami_launch_index num_processors memory block_device_mapping attached_vols
            root_device_name root_device_type vpc_id subnet_id spot_id user_data package_provider""",
        "Node: methods": """
            is_master is_spot is_ebs_backed is_instance_store is_stoppable is_stopped is_up is_ssh_up update wait
            is_gpu_compute is_cluster_compute is_cluster_type
            add_tag remove_tag getpwnam getpwuid getgrnam getgrgid get_user_map get_group_map add_user remove_user
            add_user_to_group generate_key_for_user add_to_known_hosts remove_from_known_hosts enable_passwordless_ssh
            copy_remote_file_to_nodes copy_remote_file_to_node export_fs_to_nodes stop_exporting_fs_to_nodes
            start_nfs_server mount_nfs_shares get_mount_map get_device_map get_partition_map mount_device
            set_hostname add_to_etc_hosts remove_from_etc_hosts get_hosts_entry apt_command apt_install yum_command
            yum_install package_install start stop terminate shutdown reboot detach_external_volumes
            delete_root_volume get_spot_request get_plugins get_volumes shell""",
        "node.ssh": """
            execute execute_async get_status get_last_status which has_required check_required get_env get_path
            remote_file put get sftp scp path_exists lpath_exists isdir isfile stat lstat ls glob mkdir makedirs unlink
            chmod chown get_remote_file_lines remove_lines_from_file load_remote_rsa_key switch_user get_current_user
            connect interactive_shell close transport""",
        "remote_file()": "name write writelines read readlines close chmod chown stat",
        "starcluster.sshutils": """
            generate_rsa_key get_public_key get_rsa_key get_dsa_key get_private_rsa_fingerprint
            get_public_rsa_fingerprint""",
        "DefaultClusterSetup": """
            __init__ pool nodes running_nodes _nodes _master _user _user_shell _volumes _setup_hostnames
            _setup_cluster_user _get_new_user_id _get_max_unused_user_id _add_user_to_node _add_user_to_nodes
            _create_user _setup_scratch _setup_scratch_on_node _setup_etc_hosts _setup_passwordless_ssh
            _setup_ebs_volumes _get_nfs_export_paths _mount_nfs_shares _setup_nfs _remove_from_etc_hosts
            _remove_nfs_exports _remove_from_known_hosts""",
        "starcluster.threadpool": "get_thread_pool",
        "Pool": "simple_job wait map get_results shutdown join progress_bar",
        "starcluster.logger": "log console INFO DEBUG",
        "starcluster.utils": """
            AttributeDict print_timing get_spinner generate_passwd chunk_list is_valid_device is_valid_partition
            is_valid_hostname is_url iso_to_datetime_tuple datetime_tuple_to_iso iso_to_unix_time
            iso_to_javascript_timestamp iso_to_localtime_tuple get_elapsed_time which has_required check_required
            struct_passwd struct_group get_fq_class_name string_to_file""",
        "starcluster.static": "STARCLUSTER_CFG_DIR SECURITY_GROUP_PREFIX INSTANCE_TYPES",
        "starcluster.spinner": "Spinner",
        "starcluster.exception": """
            BaseException CommandNotFound RemoteCommandNotFound SSHError SSHConnectionError SSHAuthException
            SSHNoCredentialsError RemoteCommandFailed SSHAccessDeniedViaAuthKeys SCPException AWSError
            InstanceDoesNotExist InstanceNotRunning VolumeDoesNotExist SecurityGroupDoesNotExist ZoneDoesNotExist
            KeyPairDoesNotExist SpotHistoryError InvalidOperation PropagationException ConfigError PluginError
            PluginLoadError PluginSyntaxError ValidationError ClusterValidationError MasterDoesNotExist InvalidZone
            VolumesZoneError InvalidPortRange ClusterDoesNotExist ClusterExists ClusterNotRunning
            ClusterTemplateDoesNotExist ThreadPoolException IncompatibleCluster ExperimentalFeature""",
        "node.ec2": """
            has_permission get_security_group conn aws_access_key_id aws_secret_access_key get_instance get_zone
            get_zones get_zone_or_none get_volume get_volumes get_volume_or_none create_volume
            get_security_groups wait_for_volume""",
        "Volume": "id size status attach_data update attachment_state attach detach delete add_tag",
        "Instance": """
            get_attribute modify_attribute add_tag remove_tag update groups ip_address private_ip_address
            public_dns_name private_dns_name placement launch_time""",
        "node.ec2.conn": "authorize_security_group",
        "starcluster.config": "StarClusterConfig get_config get_easy_ec2",
        "starcluster.templates.sge": "sgeinstall_template sge_pe_template sgeprofile_template",
        "starcluster.templates.condor": "condor_tmpl",
        "Group": "name id authorize",
    }.items()
}


def documented(document: Path = DOC) -> dict[str, dict[str, str]]:
    """Section -> name -> signature, "" of what is not called, as the document's tables have them."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif row := _ROW.match(line):
            name, _, rest = row[1].partition("(")
            found.setdefault(section, {})[name] = "(" + rest if rest else ""
    return found
