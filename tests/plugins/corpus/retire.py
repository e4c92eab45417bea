# Puts one node to sleep, wakes it, and retires it for good. For runplugin.
import time
from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Retire(ClusterSetup):
    def __init__(self, alias):
        self.alias = alias

    def until(self, node, state):
        while node.update() != state:
            time.sleep(0.1)

    def same_boot(self, node, boot):
        try:
            return node.ssh.execute('cat /proc/sys/kernel/random/boot_id') == boot
        except exception.SSHError, e:
            log.debug('not yet: %s' % e)
            return True

    def run(self, nodes, master, user, user_shell, volumes):
        node = [n for n in nodes if n.alias == self.alias][0]
        node.ssh.execute('echo asleep > /var/tmp/retire')
        node.detach_external_volumes()
        boot = node.ssh.execute('cat /proc/sys/kernel/random/boot_id')
        node.reboot()
        while self.same_boot(node, boot):
            time.sleep(0.1)
        node.shutdown()
        self.until(node, 'stopped')
        node.start()
        node.wait(interval=1)
        woken = node.ssh.execute('cat /var/tmp/retire')[0]
        node.stop()
        self.until(node, 'stopped')
        try:
            node.delete_root_volume()
        except exception.AWSError, e:
            print "not every cloud lets go of a root volume: %s" % e.msg
        print "%s was %s" % (node, woken)
        node.terminate()
