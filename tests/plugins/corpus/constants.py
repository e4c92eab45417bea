# starcluster.static, the spinner, and the texts of queueing systems.
import os
import time
from starcluster import static, spinner
from starcluster.clustersetup import ClusterSetup
from starcluster.templates import condor, sge


class Constants(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        s = spinner.Spinner()
        s.start()
        time.sleep(0.01)
        s.stop()
        known = static.INSTANCE_TYPES.has_key(master.instance_type)
        hosts = ' '.join(map(lambda n: n.alias, nodes))
        texts = [
            sge.sgeinstall_template % {'admin_hosts': hosts, 'submit_hosts': hosts, 'exec_hosts': hosts},
            sge.sge_pe_template % ('orte', 2),
            sge.sgeprofile_template % {'arch': 'lx-amd64'},
            condor.condor_tmpl % {'CONDOR_HOST': 'master', 'DAEMON_LIST': 'MASTER', 'FS_REMOTE_DIR': '/home/x'}]
        master.ssh.execute("echo '%s %s %s %d' > /var/tmp/constants" % (
            os.path.isdir(static.STARCLUSTER_CFG_DIR), known,
            master.parent_cluster.name[len(static.SECURITY_GROUP_PREFIX):],
            len(filter(lambda text: '%' not in text, texts))))
