# Users and groups, asked for and made.
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Accounts(ClusterSetup):
    def __init__(self, names='ann, ben', group='scientists'):
        self.names = filter(None, [n.strip() for n in names.split(',')])
        self.group = group

    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/accounts'):
            return  # done at the start
        print self.names[0], len(self.names)
        home = master.getpwnam(user).pw_dir
        first = 3000
        for node in nodes:
            for offset, name in enumerate(self.names):
                if node.getpwnam(name) is None:
                    node.add_user(name, uid=first + offset, gid=first + offset, shell='bash')
                node.add_user_to_group(name, self.group)
            node.add_user('licences', 2901)
        master.add_user('passing')
        users = master.get_user_map()
        if not users.has_key('passing'):
            raise Exception, 'the new user is not in the map'
        master.remove_user('passing')
        by_uid = master.get_user_map(key_by_uid=True)
        groups = master.get_group_map()
        by_gid = master.get_group_map(key_by_gid=True)
        gid = groups[self.group].gr_gid
        lines = [home,
                 master.getpwuid(first).pw_name,
                 by_uid[first + 1].pw_name,
                 master.getgrnam(self.group).gr_name,
                 master.getgrgid(gid).gr_name,
                 by_gid[gid].gr_name,
                 str(master.getpwnam('nobody-at-all')),
                 ','.join(sorted(groups[self.group].gr_mem))]
        f = master.ssh.remote_file('/var/tmp/accounts', 'w')
        f.write('\n'.join(lines) + '\n')
        f.close()
        try:
            users['passing-by']
        except KeyError, e:
            log.debug('no user %s' % e)

    def on_add_node(self, node, nodes, master, user, user_shell, volumes):
        for name in self.names:
            there = master.getpwnam(name)
            node.add_user(name, there.pw_uid, there.pw_gid)
