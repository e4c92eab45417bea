# The commonest of all: a loop over nodes with execute and log.info.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

class Motd(ClusterSetup):
     def __init__(self, text="welcome"):
          self.text = text
          log.debug("motd = %s" % text)
     def run(self, nodes, master, user, shell, volumes):
          for node in nodes:
               log.info("Writing the message of the day on %s" % (node.alias))
               node.ssh.execute('echo "%s to %s, %s" > /etc/motd' % (self.text, node.alias, user))
     def on_add_node(self, new_node, nodes, master, user, shell, volumes):
          log.info("Writing the message of the day on %s" % (new_node.alias))
          new_node.ssh.execute('echo "%s to %s, %s" > /etc/motd' % (self.text, new_node.alias, user))
