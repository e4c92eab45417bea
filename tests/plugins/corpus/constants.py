# starcluster.static and the spinner.
import os
import time
from starcluster import static, spinner
from starcluster.clustersetup import ClusterSetup


class Constants(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        s = spinner.Spinner()
        s.start()
        time.sleep(0.01)
        s.stop()
        known = static.INSTANCE_TYPES.has_key(master.instance_type)
        master.ssh.execute("echo '%s %s %s' > /var/tmp/constants" % (
            os.path.isdir(static.STARCLUSTER_CFG_DIR), known,
            master.parent_cluster.name[len(static.SECURITY_GROUP_PREFIX):]))
