# Puts programs named apt-get and yum on every node that only write down how they were called.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log

STUB = """#!/bin/sh
echo "${0##*/} $*" >> /var/tmp/packages.log
"""

class StandIns(ClusterSetup):
	def __init__(self, folder="/var/tools/bin"):
		self.folder = folder

	def put_up(self, node):
		print "stand-ins for %s" % node.alias
		if not node.ssh.isdir(self.folder):
			node.ssh.makedirs(self.folder)
		for name in "apt-get", "yum":
		        # eight blanks and a tab are one column in Python 2
			path = self.folder + "/" + name
			f = node.ssh.remote_file(path, "w")
			f.write(STUB)
			node.ssh.chmod(0755, path)
		profile = node.ssh.remote_file("/etc/profile.d/tools.sh")
		profile.write("PATH=%s:$PATH\n" % self.folder)

	def run(self, nodes, master, user, user_shell, volumes):
		map(self.put_up, nodes)

	def on_add_node(self, new_node, nodes, master, user, shell, volumes):
		self.put_up(new_node)
